//! Values that are no text and no bytes, each as `rec1` encodes it.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTimeType,
    IntervalMonthDayNanoType, IntervalYearMonthType, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_buffer::i256;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use crate::digest::rec1::{Encoder, tag};

/// Writes the value at an index, which is not null.
pub type Plain<'a> = Box<dyn Fn(usize, &mut Encoder) + 'a>;

/// How the values of this array are written.
pub fn of(array: &dyn Array) -> Option<Plain<'_>> {
    match array.data_type() {
        DataType::Boolean => {
            let values = array.as_boolean_opt()?.values();
            Some(Box::new(move |index, to| to.bool(values.value(index))))
        }
        DataType::Int8 => integers::<Int8Type>(array),
        DataType::Int16 => integers::<Int16Type>(array),
        DataType::Int32 => integers::<Int32Type>(array),
        DataType::Int64 => integers::<Int64Type>(array),
        DataType::UInt8 => integers::<UInt8Type>(array),
        DataType::UInt16 => integers::<UInt16Type>(array),
        DataType::UInt32 => integers::<UInt32Type>(array),
        DataType::UInt64 => integers::<UInt64Type>(array),
        DataType::Float16 => each::<Float16Type>(array, |value, to| to.float(value.to_f64())),
        DataType::Float32 => each::<Float32Type>(array, |value, to| to.float(f64::from(value))),
        DataType::Float64 => each::<Float64Type>(array, |value, to| to.float(value)),
        // Which zone it was is no part of an instant.
        DataType::Timestamp(unit, _) => match unit {
            TimeUnit::Second => nanoseconds::<TimestampSecondType>(array, tag::TIMESTAMP, *unit),
            TimeUnit::Millisecond => nanoseconds::<TimestampMillisecondType>(array, tag::TIMESTAMP, *unit),
            TimeUnit::Microsecond => nanoseconds::<TimestampMicrosecondType>(array, tag::TIMESTAMP, *unit),
            TimeUnit::Nanosecond => nanoseconds::<TimestampNanosecondType>(array, tag::TIMESTAMP, *unit),
        },
        DataType::Time32(TimeUnit::Second) => {
            nanoseconds::<Time32SecondType>(array, tag::TIME, TimeUnit::Second)
        }
        DataType::Time32(TimeUnit::Millisecond) => {
            nanoseconds::<Time32MillisecondType>(array, tag::TIME, TimeUnit::Millisecond)
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            nanoseconds::<Time64MicrosecondType>(array, tag::TIME, TimeUnit::Microsecond)
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            nanoseconds::<Time64NanosecondType>(array, tag::TIME, TimeUnit::Nanosecond)
        }
        DataType::Duration(unit) => match unit {
            TimeUnit::Second => nanoseconds::<DurationSecondType>(array, tag::DURATION, *unit),
            TimeUnit::Millisecond => nanoseconds::<DurationMillisecondType>(array, tag::DURATION, *unit),
            TimeUnit::Microsecond => nanoseconds::<DurationMicrosecondType>(array, tag::DURATION, *unit),
            TimeUnit::Nanosecond => nanoseconds::<DurationNanosecondType>(array, tag::DURATION, *unit),
        },
        DataType::Date32 => each::<Date32Type>(array, |value, to| tagged(to, tag::DATE, value.into())),
        DataType::Date64 => each::<Date64Type>(array, date),
        DataType::Interval(IntervalUnit::YearMonth) => {
            each::<IntervalYearMonthType>(array, |months, to| interval(to, [months.into(), 0, 0]))
        }
        DataType::Interval(IntervalUnit::DayTime) => each::<IntervalDayTimeType>(array, |value, to| {
            interval(to, [0, value.days.into(), i128::from(value.milliseconds) * 1_000_000]);
        }),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            each::<IntervalMonthDayNanoType>(array, |value, to| {
                interval(to, [value.months.into(), value.days.into(), value.nanoseconds.into()]);
            })
        }
        DataType::Decimal32(_, scale) => {
            let scale = *scale;
            each::<Decimal32Type>(array, move |value, to| decimal(value.into(), scale, to))
        }
        DataType::Decimal64(_, scale) => {
            let scale = *scale;
            each::<Decimal64Type>(array, move |value, to| decimal(value.into(), scale, to))
        }
        DataType::Decimal128(_, scale) => {
            let scale = *scale;
            each::<Decimal128Type>(array, move |value, to| decimal(value, scale, to))
        }
        DataType::Decimal256(_, scale) => {
            let scale = *scale;
            each::<Decimal256Type>(array, move |value, to| wide_decimal(value, scale, to))
        }
        _ => None,
    }
}

fn each<T: ArrowPrimitiveType>(
    array: &dyn Array,
    write: impl Fn(T::Native, &mut Encoder) + 'static,
) -> Option<Plain<'_>> {
    let values = array.as_primitive_opt::<T>()?.values();
    Some(Box::new(move |index, to| write(values[index], to)))
}

fn integers<T: ArrowPrimitiveType>(array: &dyn Array) -> Option<Plain<'_>>
where
    T::Native: Into<i128>,
{
    each::<T>(array, |value, to| to.integer(value.into()))
}

/// Sixty-four bits of seconds are more nanoseconds than sixty-four bits hold.
fn nanoseconds<T: ArrowPrimitiveType>(array: &dyn Array, tag: u64, unit: TimeUnit) -> Option<Plain<'_>>
where
    T::Native: Into<i128>,
{
    let each_is = match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1000,
        TimeUnit::Nanosecond => 1,
    };
    each::<T>(array, move |value, to| tagged(to, tag, value.into() * each_is))
}

fn tagged(to: &mut Encoder, tag: u64, value: i128) {
    to.tag(tag);
    to.integer(value);
}

/// A date in milliseconds that is no whole day, though it should be one, is an instant: it must not equal the day.
fn date(milliseconds: i64, to: &mut Encoder) {
    const DAY: i64 = 86_400_000;
    match milliseconds % DAY {
        0 => tagged(to, tag::DATE, (milliseconds / DAY).into()),
        _ => tagged(to, tag::TIMESTAMP, i128::from(milliseconds) * 1_000_000),
    }
}

fn interval(to: &mut Encoder, parts: [i128; 3]) {
    to.tag(tag::INTERVAL);
    to.array(3);
    parts.into_iter().for_each(|part| to.integer(part));
}

/// One form for each number: no zero at the end of the unscaled value, the scale negative where that takes it.
fn decimal(mut unscaled: i128, scale: impl Into<i128>, to: &mut Encoder) {
    let mut scale = if unscaled == 0 { 0 } else { scale.into() };
    while unscaled != 0 && unscaled % 10 == 0 {
        unscaled /= 10;
        scale -= 1;
    }
    to.tag(tag::DECIMAL);
    to.array(2);
    to.integer(unscaled);
    to.integer(scale);
}

fn wide_decimal(mut unscaled: i256, scale: i8, to: &mut Encoder) {
    let mut scale = i128::from(scale);
    while let Some((tenth, i256::ZERO)) = unscaled.checked_div_rem(i256::from_i128(10)) {
        if let Some(narrow) = unscaled.to_i128() {
            return decimal(narrow, scale, to);
        }
        unscaled = tenth;
        scale -= 1;
    }
    let negative = unscaled.is_negative();
    let mut magnitude = unscaled.to_be_bytes();
    if negative {
        // −1 − n: all bits turned round.
        magnitude.iter_mut().for_each(|byte| *byte = !*byte);
    }
    to.tag(tag::DECIMAL);
    to.array(2);
    to.bignum(negative, &magnitude);
    to.integer(scale);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, Date32Array, Date64Array, Decimal32Array, Decimal64Array, Decimal128Array, Decimal256Array,
        DurationSecondArray, Float16Array, Float32Array, Int8Array, IntervalDayTimeArray,
        IntervalMonthDayNanoArray, IntervalYearMonthArray, Time32SecondArray, Time64MicrosecondArray,
        TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
    };
    use arrow_buffer::{IntervalDayTime, IntervalMonthDayNano};

    use super::*;

    fn written(array: ArrayRef) -> Vec<String> {
        let write = of(&array).expect("it has an encoding");
        let each = (0..array.len()).map(|index| {
            let mut encoder = Encoder::default();
            write(index, &mut encoder);
            hex::encode(encoder.into_bytes())
        });
        each.collect()
    }

    #[test]
    fn numbers_are_written_by_value() {
        let half = <Float16Type as ArrowPrimitiveType>::Native::default();
        assert_eq!(written(Arc::new(Float16Array::from(vec![half]))), ["f90000"]);
        assert_eq!(
            written(Arc::new(Float32Array::from(vec![1.0, 0.1, -0.0]))),
            ["f93c00", "fa3dcccccd", "f98000"]
        );
        assert_eq!(written(Arc::new(Int8Array::from(vec![-1, 1]))), ["20", "01"]);
        assert_eq!(written(Arc::new(UInt64Array::from(vec![u64::MAX]))), ["1bffffffffffffffff"]);
    }

    /// Tag 80002 is `da00013882`, and so on.
    #[test]
    fn times_are_nanoseconds_and_days() {
        let second = "da000138821a3b9aca00";
        assert_eq!(written(Arc::new(TimestampSecondArray::from(vec![1]).with_timezone("+02:00"))), [second]);
        assert_eq!(written(Arc::new(TimestampMillisecondArray::from(vec![1000]))), [second]);
        assert_eq!(
            written(Arc::new(TimestampNanosecondArray::from(vec![1_000_000_000, -1]))),
            [second, "da0001388220"]
        );
        // 2⁶³ seconds: beyond 64 bits of nanoseconds.
        let far = written(Arc::new(TimestampSecondArray::from(vec![i64::MAX])));
        assert_eq!(far, ["da00013882c24c1dcd64ffffffffffc4653600"]);
        assert_eq!(written(Arc::new(Date32Array::from(vec![-1, 1]))), ["da0001388320", "da0001388301"]);
        let days = written(Arc::new(Date64Array::from(vec![86_400_000, -86_400_000, 86_400_001, 1])));
        assert_eq!(
            days,
            ["da0001388301", "da0001388320", "da000138821b00004e94915e4240", "da000138821a000f4240"]
        );
        assert_eq!(written(Arc::new(Time32SecondArray::from(vec![1]))), ["da000138851a3b9aca00"]);
        assert_eq!(written(Arc::new(Time64MicrosecondArray::from(vec![1]))), ["da000138851903e8"]);
        assert_eq!(written(Arc::new(DurationSecondArray::from(vec![-1]))), ["da000138863a3b9ac9ff"]);
    }

    #[test]
    fn intervals_are_months_days_and_nanoseconds() {
        assert_eq!(written(Arc::new(IntervalYearMonthArray::from(vec![13]))), ["da00013887830d0000"]);
        let days = IntervalDayTimeArray::from(vec![IntervalDayTime::new(2, -1)]);
        assert_eq!(written(Arc::new(days)), ["da000138878300023a000f423f"]);
        let all = IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(1, 2, 3)]);
        assert_eq!(written(Arc::new(all)), ["da0001388783010203"]);
    }

    #[test]
    fn a_decimal_has_one_form() {
        let hundred_and_a_half = "da00013884821903ed01";
        let small = Decimal32Array::from(vec![10_050, 0, -1, 10_000]).with_precision_and_scale(9, 2).unwrap();
        let expected = [hundred_and_a_half, "da00013884820000", "da00013884822002", "da00013884820121"];
        assert_eq!(written(Arc::new(small)), expected);
        let more = Decimal64Array::from(vec![1_005_000]).with_precision_and_scale(18, 4).unwrap();
        assert_eq!(written(Arc::new(more)), [hundred_and_a_half]);
        let rough = Decimal128Array::from(vec![5, 0]).with_precision_and_scale(38, -2).unwrap();
        assert_eq!(written(Arc::new(rough)), ["da00013884820521", "da00013884820000"]);
        let power = i256::from_i128(10).wrapping_pow(70);
        let wide = vec![i256::from_i128(1_005_000), i256::ZERO, power, power.wrapping_neg(), i256::MIN];
        let wide = Decimal256Array::from(wide).with_precision_and_scale(76, 4).unwrap();
        let least = format!("da0001388482c358207f{}04", "ff".repeat(31));
        let expected =
            [hundred_and_a_half, "da00013884820000", "da0001388482013841", "da0001388482203841", &least];
        assert_eq!(written(Arc::new(wide)), expected);
    }
}
