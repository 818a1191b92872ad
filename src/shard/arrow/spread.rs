//! How much more a decoded batch can be told as than it holds: views of lists, dictionaries and runs may name the same
//! values in every row.

use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, Int16Type, Int32Type, Int64Type, StringViewType};
use arrow_array::{Array, ArrayRef, GenericListArray, GenericListViewArray, OffsetSizeTrait};
use arrow_schema::DataType;

/// How many values one row of a column may come to by naming some again; 1 where none is named twice.
///
/// Below what repeats, every list counts as if each row had all of its values.
pub fn spread(array: &ArrayRef, repeated: bool) -> u64 {
    let below = |children: &[&ArrayRef], repeated: bool| {
        children.iter().map(|child| spread(child, repeated)).max().unwrap_or(1)
    };
    let list = |child: &ArrayRef, repeated: bool| {
        let times = if repeated { child.len().max(1) as u64 } else { 1 };
        times.saturating_mul(spread(child, repeated))
    };
    match array.data_type() {
        DataType::List(_) => list(values::<i32>(array.as_list()), repeated),
        DataType::LargeList(_) => list(values::<i64>(array.as_list()), repeated),
        DataType::Map(..) => {
            list(&(std::sync::Arc::new(array.as_map().entries().clone()) as ArrayRef), repeated)
        }
        DataType::FixedSizeList(..) => list(array.as_fixed_size_list().values(), repeated),
        DataType::ListView(_) => list(viewed::<i32>(array.as_list_view()), true),
        DataType::LargeListView(_) => list(viewed::<i64>(array.as_list_view()), true),
        DataType::Struct(_) => below(&array.as_struct().columns().iter().collect::<Vec<_>>(), repeated),
        DataType::Union(fields, mode) => {
            let repeated = repeated || *mode == arrow_schema::UnionMode::Dense;
            let union = array.as_union();
            below(&fields.iter().map(|(id, _)| union.child(id)).collect::<Vec<_>>(), repeated)
        }
        DataType::Dictionary(..) => below(&[array.as_any_dictionary().values()], true),
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => below(&[array.as_run::<Int16Type>().values()], true),
            DataType::Int32 => below(&[array.as_run::<Int32Type>().values()], true),
            _ => below(&[array.as_run::<Int64Type>().values()], true),
        },
        _ => 1,
    }
}

fn values<O: OffsetSizeTrait>(array: &GenericListArray<O>) -> &ArrayRef {
    array.values()
}

fn viewed<O: OffsetSizeTrait>(array: &GenericListViewArray<O>) -> &ArrayRef {
    array.values()
}

/// Bytes of a column's values, each counted as often as it occurs.
pub fn content_len(values: &ArrayRef) -> u64 {
    // The low half of a view's first word is the length.
    let viewed = |views: &[u128]| views.iter().map(|view| u64::from(*view as u32)).sum();
    match values.data_type() {
        DataType::BinaryView => viewed(values.as_byte_view::<BinaryViewType>().views()),
        DataType::Utf8View => viewed(values.as_byte_view::<StringViewType>().views()),
        DataType::Utf8 => span(values.as_string::<i32>().value_offsets()),
        DataType::LargeUtf8 => span(values.as_string::<i64>().value_offsets()),
        DataType::Binary => span(values.as_binary::<i32>().value_offsets()),
        DataType::LargeBinary => span(values.as_binary::<i64>().value_offsets()),
        DataType::FixedSizeBinary(width) => {
            u64::try_from(*width).unwrap_or(0).saturating_mul(values.len() as u64)
        }
        _ => 0,
    }
}

fn span<O: OffsetSizeTrait>(offsets: &[O]) -> u64 {
    match (offsets.first(), offsets.last()) {
        (Some(first), Some(last)) => last.as_usize().saturating_sub(first.as_usize()) as u64,
        _ => 0,
    }
}
