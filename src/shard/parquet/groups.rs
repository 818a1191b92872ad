//! The second pass: column chunks that the walk found sound are decoded, row group by row group, all columns of a row
//! group in lockstep.
//!
//! Where columns cannot be decoded together, they are divided until those stand alone that cannot be decoded at all:
//! every other value is told all the same, and none is told twice.

use std::collections::VecDeque;
use std::sync::Arc;

use parquet::file::metadata::ParquetMetaData;

use super::decoder::{Decoder, Group};
use super::faults::Faults;
use super::layout::{Layout, Standing, chunk_name};
use super::leaves::Leaves;
use super::limits;
use super::reads::Reads;
use super::shape::Shape;
use crate::finding::Code;
use crate::plan::ShardPlan;
use crate::shard::division::{RowGroups, Shared};
use crate::shard::table::arrow::ArrowRows;
use crate::shard::{Batch, ItemId, Step, Steps};

/// Where the second pass stands.
pub struct Groups {
    leaves: Leaves,
    /// Columns of texts and bytes.
    contents: Vec<usize>,
    /// All columns, where rows are to be identified; lent out while it is in use, as `cells` is.
    whole: Option<Table>,
    /// Columns of texts and bytes alone, once they were needed.
    cells: Option<Table>,
    records: bool,
    /// The next row group, and where those end that are read here.
    group: usize,
    end: usize,
    /// What is left of the one before it, the next part first.
    parts: VecDeque<Part>,
    /// Rows of that one that were counted.
    counted: u64,
    /// Values and bytes decoded, of which a file may have only so many.
    values: u64,
    bytes: u64,
    /// Others read other row groups.
    shared: Option<Arc<Shared>>,
}

/// Columns that are read together, and what is known of their rows so far.
struct Table {
    shape: Shape,
    rows: ArrowRows,
}

/// Some columns of the present row group.
struct Part {
    kind: Kind,
    table: Table,
    decoder: Option<Decoder>,
    /// Rows decoded at a time.
    batch: usize,
    /// Rows that the present decoder has decoded.
    at: u64,
    /// Rows that were told.
    told: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// All columns.
    Whole,
    /// All texts and bytes.
    Cells,
    /// Others, in this row group alone.
    Own,
}

/// What the second pass works with.
pub struct Context<'a> {
    /// What the footer says.
    pub metadata: &'a ParquetMetaData,
    /// What the walk found of the chunks.
    pub layout: &'a Layout,
    /// Where bytes come from.
    pub reads: &'a Reads,
}

impl Groups {
    /// At the first row group.
    pub fn new(metadata: &ParquetMetaData, faults: &mut Faults, out: &mut Steps) -> Self {
        let leaves = Leaves::new(metadata.file_metadata().schema_descr());
        let contents = leaves.contents();
        let mut whole = None;
        if out.plan().records {
            match Shape::whole(&leaves) {
                // The crate reads intervals without their months.
                Ok(shape) if shape.has_intervals() => {
                    let detail =
                        "its rows have no identity: they hold intervals of Parquet, which are not read";
                    faults.tell(Code::Unverifiable, out, || detail.to_string());
                }
                Ok(shape) => {
                    let rows = ArrowRows::new(&shape.schema, ItemId::FILE, out);
                    whole = Some(Table { shape, rows });
                }
                Err(why) => faults.tell(Code::Unreadable, out, || {
                    format!("its columns cannot be put together into rows, so none is identified: {why}")
                }),
            }
        }
        Groups {
            leaves,
            contents,
            records: whole.is_some(),
            whole,
            cells: None,
            group: 0,
            end: usize::MAX,
            shared: None,
            parts: VecDeque::new(),
            counted: 0,
            values: 0,
            bytes: 0,
        }
    }

    /// Only these row groups are read here.
    pub fn only(self, groups: RowGroups) -> Self {
        let RowGroups { range, shared } = groups;
        Groups { group: range.start, end: range.end, shared: Some(shared), ..self }
    }

    /// Whether the values of a column are read at all.
    pub fn wants(&self, column: usize) -> bool {
        self.records || self.contents.binary_search(&column).is_ok()
    }

    /// Bytes of memory it may hold: dictionary and page of each open chunk, once compressed.
    pub fn footprint(&self, layout: &Layout) -> usize {
        let leaves = self.leaves.count();
        let Some(part) = self.parts.front() else { return 0 };
        let first = self.group.saturating_sub(1) * leaves;
        let largest = |column: &usize| layout.chunks.get(first + column).map_or(0, |chunk| chunk.largest);
        let open = part.table.shape.columns.iter().map(largest).fold(0, u64::saturating_add);
        usize::try_from(open.saturating_mul(3)).unwrap_or(usize::MAX)
    }

    /// Decodes one batch; `false` when there is no more.
    pub fn work(&mut self, context: &Context<'_>, faults: &mut Faults, out: &mut Steps) -> bool {
        // Row groups without their columns were told of, and end the list.
        let leaves = self.leaves.count();
        let groups = context.layout.chunks.len().checked_div(leaves).unwrap_or(0);
        let Some(part) = self.parts.pop_front() else {
            if self.group >= groups.min(self.end) {
                return false;
            }
            let group = group(context, self.group, leaves);
            self.group += 1;
            self.counted = 0;
            self.begin(&group, faults, out);
            return true;
        };
        let group = group(context, self.group - 1, leaves);
        self.step(part, &group, context, faults, out);
        true
    }

    /// Tells what could be known only at the end.
    pub fn conclude(&mut self, out: &mut Steps) {
        let of = |table: &mut Option<Table>| table.as_mut().map(|table| table.rows.sums());
        let sums = [&mut self.whole, &mut self.cells].map(|table| of(table).unwrap_or_default()).into();
        let sums = match &self.shared {
            Some(shared) => shared.add(sums),
            None => Some(sums),
        };
        for sums in sums.into_iter().flatten() {
            sums.tell(ItemId::FILE, out);
        }
    }

    /// The columns of a row group: all of them together, or those that can be read.
    fn begin(&mut self, group: &Group<'_>, faults: &mut Faults, out: &mut Steps) {
        let sound = |column: &usize| group.chunks[*column].standing == Standing::Sound;
        if group.rows() == 0 && group.chunks.iter().all(|chunk| chunk.values == 0) {
            return;
        }
        if self.records && (0..self.leaves.count()).all(|column| sound(&column)) {
            self.parts.extend(self.whole.take().map(|table| Part::new(Kind::Whole, table, group)));
            return;
        }
        let columns: Vec<usize> = self.contents.iter().copied().filter(sound).collect();
        let kind = if columns.len() == self.contents.len() { Kind::Cells } else { Kind::Own };
        let lent = if kind == Kind::Cells { self.cells.take() } else { None };
        if let Some(table) = lent.or_else(|| self.table(&columns, group.number, faults, out)) {
            self.parts.push_back(Part::new(kind, table, group));
        }
    }

    /// A table of these columns without records; none if there are no columns.
    fn table(&self, columns: &[usize], group: usize, faults: &mut Faults, out: &mut Steps) -> Option<Table> {
        if columns.is_empty() {
            return None;
        }
        match Shape::of(&self.leaves, columns) {
            Ok(shape) => {
                let plan = ShardPlan { records: false, ..*out.plan() };
                let rows = ArrowRows::new(&shape.schema, ItemId::FILE, &mut Steps::new(&plan));
                Some(Table { shape, rows })
            }
            Err(why) => {
                faults.tell(Code::Unreadable, out, || {
                    format!("row group {group}: its columns cannot be read: {why}")
                });
                None
            }
        }
    }

    /// Decodes a batch of a part.
    fn step(
        &mut self,
        mut part: Part,
        group: &Group<'_>,
        context: &Context<'_>,
        faults: &mut Faults,
        out: &mut Steps,
    ) {
        let decoder = match part.decoder.take() {
            Some(decoder) => Ok(decoder),
            None => Decoder::open(group, &part.table.shape, part.batch),
        };
        let (decoder, next) = match decoder {
            Ok(mut decoder) => {
                let next =
                    decoder.next().and_then(|batch| batch.map(|b| part.table.shape.rows(b)).transpose());
                (decoder, next)
            }
            Err(why) => return self.divide(part, false, &why, group, faults, out),
        };
        self.values = self.values.saturating_add(decoder.values());
        let rows = group.rows();
        let why = match next {
            Ok(Some(batch)) if part.at.saturating_add(batch.num_rows() as u64) > rows => {
                format!("it holds more rows than its row group: {} of {rows}", part.at)
            }
            Ok(None) if part.at < rows => {
                format!("it holds {} of the {rows} rows of its row group", part.at)
            }
            Ok(None) => return self.give_back(part, faults, out),
            Ok(Some(batch)) => {
                let begins = part.at;
                part.at += batch.num_rows() as u64;
                if part.at > part.told {
                    // What a decoder before this one told is passed over.
                    let from = usize::try_from(part.told.saturating_sub(begins)).unwrap_or(usize::MAX);
                    let fresh = batch.slice(from, batch.num_rows() - from);
                    let first = context.layout.first_rows.get(group.number).copied().unwrap_or(0);
                    let first = first.saturating_add(part.told);
                    let mut batch = part.table.rows.batch(ItemId::FILE, first, &fresh);
                    batch.number =
                        (group.number as u64 + 1).min(limits::NUMBERED_GROUPS) << limits::NUMBER_BITS;
                    // Rows that were divided are counted once.
                    batch.rows =
                        usize::try_from(part.at.saturating_sub(self.counted.max(part.told))).unwrap_or(0);
                    self.counted = self.counted.max(part.at);
                    part.told = part.at;
                    self.bytes = self.bytes.saturating_add(bytes(&batch));
                    if self.is_over(context.reads.len) {
                        return self.stop(group, faults, out);
                    }
                    out.batch(batch);
                }
                part.decoder = Some(decoder);
                return self.parts.push_front(part);
            }
            Err(why) => why,
        };
        if self.is_over(context.reads.len) {
            return self.stop(group, faults, out);
        }
        let over = decoder.is_over();
        self.divide(part, over, &why, group, faults, out);
    }

    /// A part could not be decoded further: with fewer rows at a time, or fewer columns, it may.
    fn divide(
        &mut self,
        mut part: Part,
        over: bool,
        why: &str,
        group: &Group<'_>,
        faults: &mut Faults,
        out: &mut Steps,
    ) {
        part.decoder = None;
        part.at = 0;
        let columns = part.table.shape.columns.clone();
        let fewer = (part.batch / 32).max(1);
        let again = part.told / fewer as u64 * columns.len() as u64;
        if part.batch > 1 && (over || columns.len() == 1) && again <= limits::BATCHES_AGAIN {
            part.batch = fewer;
            return self.parts.push_front(part);
        }
        if part.kind == Kind::Whole {
            faults.tell(Code::Unreadable, out, || {
                format!(
                    "row group {}: its columns cannot be decoded together, so its rows from number {} on are not \
                     identified: {why}",
                    group.number, part.told
                )
            });
        }
        if let [column] = columns[..] {
            faults.tell(Code::Unreadable, out, || {
                format!("{}: {why}", chunk_name(group.metadata, group.number, column))
            });
        } else {
            let (first, second) = columns.split_at(self.leaves.cut(&columns));
            for half in [second, first] {
                if let Some(table) = self.table(half, group.number, faults, out) {
                    let told = part.told;
                    self.parts.push_front(Part { told, ..Part::new(Kind::Own, table, group) });
                }
            }
        }
        self.give_back(part, faults, out);
    }

    /// A part is done with.
    fn give_back(&mut self, part: Part, faults: &mut Faults, out: &mut Steps) {
        let Part { kind, mut table, .. } = part;
        match kind {
            Kind::Whole => self.whole = Some(table),
            Kind::Cells => self.cells = Some(table),
            Kind::Own => {
                let mut told = Steps::new(out.plan());
                table.rows.conclude(ItemId::FILE, &mut told);
                // As many of these as there are row groups: they are counted with the others.
                while let Some(step) = told.pop() {
                    if let Step::Fault(fault) = step {
                        faults.tell(fault.code, out, || fault.detail);
                    }
                }
            }
        }
    }

    fn is_over(&self, file_len: u64) -> bool {
        self.values > limits::values(file_len) || self.bytes > limits::value_bytes(file_len)
    }

    /// The file has had its share.
    fn stop(&mut self, group: &Group<'_>, faults: &mut Faults, out: &mut Steps) {
        faults.tell(Code::Unreadable, out, || {
            format!(
                "row group {}: the file decodes to more than the limit for one of its length, and no further",
                group.number
            )
        });
        self.parts.clear();
        self.group = usize::MAX;
    }
}

impl Part {
    fn new(kind: Kind, table: Table, group: &Group<'_>) -> Part {
        let batch = group.batch(&table.shape.columns);
        Part { kind, table, decoder: None, batch, at: 0, told: 0 }
    }
}

fn group<'a>(context: &Context<'a>, number: usize, leaves: usize) -> Group<'a> {
    let chunks = &context.layout.chunks[number * leaves..(number + 1) * leaves];
    Group { metadata: context.metadata, number, chunks, reads: context.reads }
}

/// Bytes of the values in a batch.
fn bytes(batch: &Batch) -> u64 {
    use arrow_array::cast::AsArray;
    use arrow_array::types::BinaryViewType;
    let of = |column: &crate::shard::Column| {
        let values = &column.values;
        match values.as_byte_view_opt::<BinaryViewType>() {
            Some(views) => views.views().iter().map(|view| u64::from(*view as u32)).sum(),
            None => values.as_fixed_size_binary_opt().map_or(0, |fixed| fixed.value_data().len() as u64),
        }
    };
    batch.columns.iter().map(of).sum()
}
