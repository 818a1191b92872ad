//! The description of a shard's columns, which stands in it as JSON.

use serde::Deserialize;

use super::encoding::Encoding;
use crate::digest::rec1::key_order;

/// The columns of a shard.
#[derive(Debug)]
pub struct Columns {
    /// In the order in which their values lie in a sample.
    pub all: Vec<Column>,
    /// Their numbers in the order in which a record has them.
    pub order: Vec<usize>,
    /// A name that stands twice: no record has an identity.
    pub twice: Option<String>,
    /// Encodings that are not known, with the names of their columns.
    pub unknown: Vec<(String, String)>,
}

/// A column.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub encoding: Encoding,
    /// The length of each value; `None` where each sample says it.
    pub size: Option<u64>,
}

/// What is read of the description. One that says something twice is refused.
#[derive(Deserialize)]
struct Config {
    format: String,
    version: u64,
    column_names: Vec<String>,
    column_encodings: Vec<String>,
    column_sizes: Vec<Option<u64>>,
}

impl Columns {
    /// Reads the description that these bytes begin with: the columns, and its length.
    ///
    /// # Errors
    /// Says what is wrong, to stand after a colon.
    pub fn read(bytes: &[u8]) -> Result<(Columns, usize), String> {
        let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Config>();
        let config = match values.next() {
            Some(Ok(config)) => config,
            Some(Err(error)) => return Err(format!("it is not as MDS has it ({error})")),
            None => return Err("there is nothing".to_string()),
        };
        let len = values.byte_offset();
        let Config { format, version, column_names, column_encodings, column_sizes } = config;
        if format != "mds" || version != 2 {
            return Err("only version 2 of the format `mds` is read".to_string());
        }
        let count = column_names.len();
        if count == 0 || column_encodings.len() != count || column_sizes.len() != count {
            return Err("its columns do not have a name, an encoding and a size each".to_string());
        }
        let mut columns =
            Columns { all: Vec::with_capacity(count), order: Vec::new(), twice: None, unknown: Vec::new() };
        for ((name, called), size) in column_names.into_iter().zip(column_encodings).zip(column_sizes) {
            let encoding = Encoding::named(&called);
            if encoding == Encoding::Unknown {
                columns.unknown.push((name.clone(), called));
            }
            // A writer takes 0 for a size, a reader for none.
            if size == Some(0) {
                return Err("a column has the size 0, which readers take for none".to_string());
            }
            if size.is_some() && encoding.size().is_some_and(|fixed| size != Some(fixed)) {
                return Err("the size of a column is not that of its encoding".to_string());
            }
            columns.all.push(Column { name, encoding, size });
        }
        columns.order = (0..count).collect();
        columns.order.sort_by(|&a, &b| key_order(&columns.all[a].name, &columns.all[b].name));
        let names = columns.order.iter().map(|&number| &columns.all[number].name);
        let twice = names.clone().zip(names.skip(1)).find(|(one, other)| one == other);
        columns.twice = twice.map(|(name, _)| name.clone());
        Ok((columns, len))
    }

    /// Bytes of memory that it takes, about.
    pub fn footprint(&self) -> usize {
        let names: usize = self.all.iter().map(|column| column.name.len()).sum();
        names + self.all.capacity() * (size_of::<Column>() + size_of::<usize>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(names: &str, encodings: &str, sizes: &str, rest: &str) -> String {
        format!(
            r#"{{"column_encodings": {encodings}, "column_names": {names}, "column_sizes": {sizes}, {rest}}}"#
        )
    }

    const REST: &str =
        r#""compression": null, "format": "mds", "hashes": [], "size_limit": 67108864, "version": 2"#;

    #[test]
    fn columns_are_read() {
        let text = config(r#"["b", "aa", "a"]"#, r#"["int", "str", "new"]"#, "[8, null, null]", REST);
        let (columns, len) = Columns::read(format!("{text}more").as_bytes()).unwrap();
        assert_eq!(len, text.len());
        assert_eq!(columns.order, [2, 0, 1]);
        assert_eq!(columns.unknown, [("a".to_string(), "new".to_string())]);
        assert_eq!(columns.twice, None);
        let text = config(r#"["a", "b", "a"]"#, r#"["int", "str", "str"]"#, "[8, null, null]", REST);
        assert_eq!(Columns::read(text.as_bytes()).unwrap().0.twice.as_deref(), Some("a"));
    }

    #[test]
    fn what_is_not_sound_is_refused() {
        for text in [
            String::new(),
            "{}".to_string(),
            "[1]".to_string(),
            config("[]", "[]", "[]", REST),
            config(r#"["a"]"#, "[]", "[null]", REST),
            config(r#"["a"]"#, r#"["str"]"#, "[0]", REST),
            config(r#"["a"]"#, r#"["str"]"#, "[-1]", REST),
            config(r#"["a"]"#, r#"["int"]"#, "[4]", REST),
            config(r#"["a"]"#, r#"["str"]"#, "[null]", &REST.replace("mds", "xsv")),
            config(r#"["a"]"#, r#"["str"]"#, "[null]", &REST.replace(": 2", ": 3")),
            config(r#"["a"]"#, r#"["str"]"#, "[null]", &format!("{REST}, \"column_names\": [\"b\"]")),
        ] {
            assert!(Columns::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
