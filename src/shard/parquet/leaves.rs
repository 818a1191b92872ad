//! Which columns of a Parquet file hold values worth hashing.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

/// A leaf of the schema whose values are bytes or text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its number among the leaves.
    pub column: usize,
    /// The names from the root to it, joined by dots: `image.bytes`, `tags.list.element`.
    pub name: Arc<str>,
    /// The definition level of a value; a lower one is a null or an empty list.
    pub max_def: i16,
    /// 0 where each row has one value.
    pub max_rep: i16,
    /// All values are of one length.
    pub fixed: bool,
}

/// Leaves that are read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A leaf for itself.
    One(Leaf),
    /// `struct{bytes, path}` of Hugging Face `datasets` (its `Image` and `Audio`): without bytes, the path names data
    /// outside of the file.
    Media {
        /// The content.
        bytes: Leaf,
        /// Where it came from, or where it is.
        path: Leaf,
    },
}

/// The units of a schema, in its order.
pub fn units(schema: &SchemaDescriptor) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for (column, descriptor) in schema.columns().iter().enumerate() {
        let Some(leaf) = leaf(column, descriptor) else { continue };
        // The two stand side by side, in either order.
        let unit = match units.pop() {
            Some(Unit::One(before)) if is_media(schema, &before, &leaf) => {
                Unit::Media { bytes: before, path: leaf }
            }
            Some(Unit::One(before)) if is_media(schema, &leaf, &before) => {
                Unit::Media { bytes: leaf, path: before }
            }
            before => {
                units.extend(before);
                Unit::One(leaf)
            }
        };
        units.push(unit);
    }
    units
}

fn leaf(column: usize, descriptor: &ColumnDescriptor) -> Option<Leaf> {
    let fixed = match descriptor.physical_type() {
        Type::BYTE_ARRAY => false,
        Type::FIXED_LEN_BYTE_ARRAY => true,
        _ => return None,
    };
    // Numbers that are stored as bytes are no content.
    let number = matches!(descriptor.converted_type(), ConvertedType::DECIMAL | ConvertedType::INTERVAL)
        || matches!(descriptor.logical_type_ref(), Some(LogicalType::Decimal { .. } | LogicalType::Float16));
    let name = descriptor.path().string();
    (!number).then(|| Leaf {
        column,
        name: Arc::from(name.replace('\0', "\u{fffd}")),
        max_def: descriptor.max_def_level(),
        max_rep: descriptor.max_rep_level(),
        fixed,
    })
}

fn is_media(schema: &SchemaDescriptor, bytes: &Leaf, path: &Leaf) -> bool {
    let parts = |leaf: &Leaf| schema.columns().get(leaf.column).map(|c| c.path().parts().to_vec());
    let (Some(bytes_parts), Some(path_parts)) = (parts(bytes), parts(path)) else { return false };
    match (bytes_parts.split_last(), path_parts.split_last()) {
        (Some((b, above)), Some((p, beside))) => {
            b == "bytes"
                && p == "path"
                && above == beside
                && !above.is_empty()
                && bytes.column.abs_diff(path.column) == 1
                && bytes.max_rep == path.max_rep
        }
        _ => false,
    }
}
