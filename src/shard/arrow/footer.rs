//! The end of an Arrow file: its footer, held against the messages that were walked.
//!
//! Readers of files go by the footer alone, readers of streams by the messages alone. Where the two disagree, each sees
//! what the other does not.

use std::collections::{BTreeMap, BTreeSet};

use arrow_schema::Schema;

use super::limits;
use super::metadata::{self, Trouble};

/// What a file ends with.
pub const MAGIC: &[u8] = b"ARROW1";
/// Bytes of the footer's length and the magic.
pub const END: usize = 10;

/// A message that was walked.
#[derive(Clone, Debug)]
pub struct Walked {
    /// What it holds.
    pub holds: Holds,
    /// Where it begins.
    pub at: u64,
    /// Bytes of its prefix and metadata.
    pub metadata: u64,
    /// Bytes of its body.
    pub body: u64,
}

/// What a message that a footer lists can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// A dictionary of this number, or what is added to it.
    Dictionary { id: i64, delta: bool },
    /// The record batch of this ordinal, whose first row is this one.
    Batch { ordinal: u64, first_row: u64 },
}

impl Holds {
    /// Its name in sentences.
    fn name(&self) -> String {
        match self {
            Holds::Dictionary { id, .. } => format!("a batch of dictionary {id}"),
            Holds::Batch { ordinal, first_row } => {
                format!("record batch {ordinal}, rows from {first_row} on")
            }
        }
    }
}

/// Where the footer begins in what follows the last message; `Err` says why there is none.
pub fn find(tail: &[u8]) -> Result<usize, &'static str> {
    let cut = "it begins as an Arrow file and does not end as one: it may be cut short";
    let (rest, end) = tail.split_last_chunk::<END>().ok_or(cut)?;
    if &end[4..] != MAGIC {
        return Err(cut);
    }
    let len = i32::from_le_bytes([end[0], end[1], end[2], end[3]]);
    let len = usize::try_from(len).map_err(|_| "its footer is said to have a negative length")?;
    if len > limits::METADATA {
        return Err("its footer is over the limit of 16 MiB");
    }
    rest.len().checked_sub(len).ok_or("its footer is said to reach into its messages")
}

/// Tells what is wrong with a footer: where it disagrees with the messages, each with its place.
pub fn compare(
    footer: &[u8],
    footer_at: u64,
    schema: Option<&Schema>,
    walked: &[Walked],
    mut wrong: impl FnMut(u64, String),
) {
    let footer = match metadata::footer(footer) {
        Ok(footer) => footer,
        Err(trouble) => return wrong(footer_at, why(trouble)),
    };
    let footer_schema = footer.schema().map(metadata::schema);
    match (footer_schema, schema) {
        (Some(Ok(listed)), Some(schema)) if listed == *schema => {}
        (Some(Err(trouble)), _) => wrong(footer_at, why(trouble)),
        (_, None) => {}
        _ => wrong(footer_at, "its footer and its first message have different schemas".to_string()),
    }
    let mut dictionaries = BTreeSet::new();
    for Walked { holds, at, .. } in walked {
        if let Holds::Dictionary { id, delta: false } = holds
            && !dictionaries.insert(*id)
        {
            let name = holds.name();
            wrong(*at, format!("{name}: it replaces one before it, which readers of files do not follow"));
        }
    }
    // What the messages are, until the footer lists them.
    let mut left: BTreeMap<u64, &Walked> = walked.iter().map(|walked| (walked.at, walked)).collect();
    let dictionaries = footer.dictionaries().into_iter().flatten().map(|block| (block, true));
    let batches = footer.recordBatches().into_iter().flatten().map(|block| (block, false));
    let mut last = None;
    for (block, dictionary) in dictionaries.chain(batches) {
        let found = u64::try_from(block.offset()).ok().and_then(|at| left.remove(&at));
        let fits = found.filter(|walked| {
            i128::from(block.metaDataLength()) == i128::from(walked.metadata)
                && i128::from(block.bodyLength()) == i128::from(walked.body)
                && dictionary == matches!(walked.holds, Holds::Dictionary { .. })
        });
        let kind = if dictionary { "dictionary" } else { "record batch" };
        match fits {
            None => {
                let at = block.offset();
                wrong(footer_at, format!("its footer lists a {kind} at byte {at}, where none is to be read"));
            }
            // Which readers see other rows first than others.
            Some(walked) if !dictionary && last.is_some_and(|last| last > walked.at) => {
                let name = walked.holds.name();
                wrong(walked.at, format!("{name}: the footer lists it in another order than it lies in"));
            }
            Some(walked) if !dictionary => last = Some(walked.at),
            Some(_) => {}
        }
    }
    for walked in left.values() {
        let name = walked.holds.name();
        wrong(walked.at, format!("{name}: the footer does not list it, so readers of files do not show it"));
    }
}

fn why(trouble: Trouble) -> String {
    match trouble {
        Trouble::BigEndian => "its footer says that its numbers are big-endian".to_string(),
        Trouble::Bad(why) => why,
    }
}
