//! The leaves of a Parquet schema: which of them are content, and the schema that some of them make for themselves.

use std::ops::Range;
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type};
use parquet::errors::Result;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type as Node, TypePtr};

/// The leaves of a schema.
pub struct Leaves {
    /// All elements of the schema; the root is the first.
    elements: Vec<Element>,
    /// Each leaf's element, in the order of the columns.
    leaves: Vec<usize>,
    /// Which columns hold texts or bytes.
    content: Vec<bool>,
    /// Which hold texts.
    texts: Vec<bool>,
}

/// An element of the schema.
struct Element {
    of: TypePtr,
    /// The group that holds it.
    above: usize,
    /// The leaves below it.
    columns: Range<usize>,
}

/// A group to which fields are added.
struct Open {
    element: usize,
    fields: Vec<TypePtr>,
}

impl Leaves {
    /// The leaves of this schema, whose depth is bounded.
    pub fn new(schema: &SchemaDescriptor) -> Self {
        let content = schema.columns().iter().map(|column| is_content(column)).collect();
        let texts = schema.columns().iter().map(|column| is_text(column)).collect();
        let mut leaves = Leaves { elements: Vec::new(), leaves: Vec::new(), content, texts };
        leaves.add(0, &schema.root_schema_ptr());
        leaves
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.content.len()
    }

    /// Whether a column is said to hold texts.
    pub fn is_text(&self, column: usize) -> bool {
        self.texts.get(column).copied().unwrap_or(false)
    }

    /// The columns that hold texts or bytes, with those without which they would not be what they are: a map has keys
    /// and values.
    pub fn contents(&self) -> Vec<usize> {
        let mut wanted = self.content.clone();
        for element in &self.elements {
            if is_indivisible(&element.of) && self.content[element.columns.clone()].contains(&true) {
                wanted[element.columns.clone()].fill(true);
            }
        }
        (0..self.count()).filter(|column| wanted[*column]).collect()
    }

    /// Where a list of more than one column is best cut in two: between two fields of the root, if it has several.
    pub fn cut(&self, columns: &[usize]) -> usize {
        let field = |at: usize| columns.get(at).and_then(|column| self.path(*column).get(1).copied());
        let middle = columns.len() / 2;
        let parts = |at: &usize| field(*at) != field(*at - 1);
        let after = (middle.max(1)..columns.len()).find(parts);
        (1..=middle).rev().find(parts).or(after).unwrap_or(middle)
    }

    /// A schema of these columns alone, in which texts and bytes are not annotated: their bytes count, whatever they
    /// should be. Where nothing is `annotated` it can always be read, as structs and lists of plain numbers and bytes.
    pub fn schema(&self, columns: &[usize], annotated: bool) -> Result<SchemaDescriptor> {
        let mut open = vec![Open { element: 0, fields: Vec::new() }];
        for &column in columns {
            let path = self.path(column);
            let Some((&leaf, path)) = path.split_last() else { continue };
            let shared =
                open.iter().zip(path).take_while(|(open, element)| open.element == **element).count();
            while open.len() > shared.max(1) {
                self.close(&mut open, annotated)?;
            }
            open.extend(path.iter().skip(shared).map(|&element| Open { element, fields: Vec::new() }));
            let of = &self.elements[leaf].of;
            let plain = !annotated || self.content[column];
            let of = if plain { Arc::new(plain_leaf(of)?) } else { Arc::clone(of) };
            open.iter_mut().last().into_iter().for_each(|open| open.fields.push(Arc::clone(&of)));
        }
        while open.len() > 1 {
            self.close(&mut open, annotated)?;
        }
        let fields = open.pop().map(|root| root.fields).unwrap_or_default();
        let root = Node::group_type_builder("schema").with_fields(fields).build()?;
        Ok(SchemaDescriptor::new(Arc::new(root)))
    }

    fn add(&mut self, above: usize, of: &TypePtr) {
        let element = self.elements.len();
        let first = self.leaves.len();
        self.elements.push(Element { of: Arc::clone(of), above, columns: first..first });
        if of.is_primitive() {
            self.leaves.push(element);
        } else {
            of.get_fields().iter().for_each(|field| self.add(element, field));
        }
        self.elements[element].columns.end = self.leaves.len();
    }

    /// The elements from the root to a leaf.
    fn path(&self, column: usize) -> Vec<usize> {
        let mut path = Vec::new();
        let mut next = self.leaves.get(column).copied();
        while let Some(element) = next {
            path.push(element);
            next = (element != 0).then(|| self.elements[element].above);
        }
        path.reverse();
        path
    }

    /// The innermost open group has all its fields.
    fn close(&self, open: &mut Vec<Open>, annotated: bool) -> Result<()> {
        let Some(Open { element, fields }) = open.pop() else { return Ok(()) };
        let of = &self.elements[element].of;
        let mut group =
            Node::group_type_builder(of.name()).with_repetition(repetition(of)).with_fields(fields);
        if annotated {
            group = group.with_converted_type(of.get_basic_info().converted_type());
        }
        if let Some(above) = open.last_mut() {
            above.fields.push(Arc::new(group.build()?));
        }
        Ok(())
    }
}

/// Whether the values of a column are content: numbers that are stored as bytes are none.
fn is_content(column: &ColumnDescriptor) -> bool {
    let number = matches!(column.converted_type(), ConvertedType::DECIMAL | ConvertedType::INTERVAL)
        || matches!(column.logical_type_ref(), Some(LogicalType::Decimal { .. } | LogicalType::Float16));
    matches!(column.physical_type(), Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY) && !number
}

fn is_text(column: &ColumnDescriptor) -> bool {
    let text = matches!(column.converted_type(), ConvertedType::UTF8 | ConvertedType::JSON)
        || matches!(column.logical_type_ref(), Some(LogicalType::String | LogicalType::Json));
    text && column.physical_type() == Type::BYTE_ARRAY
}

/// Whether a group would be something else if some of its leaves were left out: a map, and a list in the old style, in
/// which it depends on the number of fields what the items are.
fn is_indivisible(of: &Node) -> bool {
    if of.is_primitive() {
        return false;
    }
    let list_of_fields =
        || matches!(of.get_fields(), [item] if item.is_group() && item.get_fields().len() > 1);
    match of.get_basic_info().converted_type() {
        ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE => true,
        ConvertedType::LIST => list_of_fields(),
        _ => false,
    }
}

fn plain_leaf(of: &Node) -> Result<Node> {
    let length = match of {
        Node::PrimitiveType { type_length, .. } => *type_length,
        Node::GroupType { .. } => -1,
    };
    Node::primitive_type_builder(of.name(), of.get_physical_type())
        .with_repetition(repetition(of))
        .with_length(length)
        .build()
}

fn repetition(of: &Node) -> Repetition {
    let info = of.get_basic_info();
    if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED }
}
