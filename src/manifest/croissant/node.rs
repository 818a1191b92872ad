//! Nodes of the JSON-LD that Croissant is: the few keys that say something of files, under all the names they go by.
//!
//! Everything else, the record sets above all, is passed over and not held.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::digest::Algorithm;

/// What stands before a name where no context shortens it, or where it does.
const PREFIXES: [&str; 10] = [
    "http://mlcommons.org/croissant/",
    "https://mlcommons.org/croissant/",
    "http://mlcommons.org/schema/",
    "http://schema.org/",
    "https://schema.org/",
    "cr:",
    "sc:",
    "ml:",
    "schema:",
    "#",
];

/// A name without what says whose it is: `cr:FileObject` is `FileObject`.
pub(super) fn bare(name: &str) -> &str {
    PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// A node, as far as files are concerned.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) types: Texts,
    pub(super) id: Texts,
    pub(super) name: Texts,
    pub(super) content_url: Texts,
    pub(super) content_size: Texts,
    pub(super) encoding_format: Texts,
    /// Digests with the names of their algorithms, as they stand there.
    pub(super) digests: Vec<(String, String)>,
    pub(super) contained_in: Vec<Container>,
    pub(super) is_live: bool,
    pub(super) distribution: Vec<Node>,
    /// What `hasPart` holds.
    pub(super) parts: Vec<Node>,
    pub(super) graph: Vec<Node>,
    /// A key other than `@id` stands in it.
    says_more: bool,
}

impl Node {
    /// Whether it is of this type.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.types.0.iter().any(|name| bare(name) == kind)
    }

    /// Whether it says nothing of its own: it stands for a node elsewhere.
    pub(super) fn is_reference(&self) -> bool {
        !self.says_more && !self.id.0.is_empty()
    }

    /// Whether it can only be about a file, though it does not say what it is.
    pub(super) fn is_untyped_file(&self) -> bool {
        self.types.0.is_empty() && !(self.content_url.0.is_empty() && self.digests.is_empty())
    }

    /// Whether it is a git repository.
    pub(super) fn is_repository(&self) -> bool {
        self.encoding_format.0.iter().chain(&self.content_url.0).any(|text| text.starts_with("git+"))
    }

    fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        self.says_more |= key != "@id";
        match bare(key) {
            "@type" => self.types.add(map.next_value()?),
            "@id" => self.id.add(map.next_value()?),
            "name" => self.name.add(map.next_value()?),
            "contentUrl" => self.content_url.add(map.next_value()?),
            "contentSize" => self.content_size.add(map.next_value()?),
            "encodingFormat" => self.encoding_format.add(map.next_value()?),
            "containedIn" => self.contained_in.append(&mut map.next_value::<Many<Container>>()?.0),
            "isLiveDataset" => self.is_live |= map.next_value::<Texts>()?.first() == Some("true"),
            "distribution" => self.distribution.append(&mut map.next_value::<Many<Node>>()?.0),
            "hasPart" => self.parts.append(&mut map.next_value::<Many<Node>>()?.0),
            "@graph" => self.graph.append(&mut map.next_value::<Many<Node>>()?.0),
            label if Algorithm::from_name(label).is_some() => {
                let texts = map.next_value::<Texts>()?.0;
                self.digests.extend(texts.into_iter().map(|text| (label.to_owned(), text)));
            }
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// What a file or a set of files lies in.
#[derive(Clone, Debug, Default)]
pub(super) struct Container {
    pub(super) id: String,
    /// Its files are not in it, but are had by doing something with its content: reading paths from its lines.
    pub(super) is_transformed: bool,
}

/// Texts of a key: one, a list, an object with `@value` or `@id`; numbers and truth values as they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts(pub(super) Vec<String>);

impl Texts {
    pub(super) fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    fn add(&mut self, mut more: Texts) {
        self.0.append(&mut more.0);
    }
}

/// A value or a list of values.
struct Many<T>(Vec<T>);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut nodes = Many::<Node>::deserialize(deserializer)?.0;
        Ok(if nodes.len() == 1 { nodes.swap_remove(0) } else { Node { graph: nodes, ..Node::default() } })
    }
}

/// A type of which one or several stand at a key, each an object or the text that refers to it.
trait Thing: Sized + Default {
    fn named(id: &str) -> Self;
    fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

impl Thing for Node {
    fn named(id: &str) -> Self {
        Node { id: Texts(vec![id.to_owned()]), ..Node::default() }
    }

    fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        Node::set(self, key, map)
    }
}

impl Thing for Container {
    fn named(id: &str) -> Self {
        Container { id: id.to_owned(), is_transformed: false }
    }

    fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match bare(key) {
            "@id" | "fileObject" | "fileSet" => {
                if let Some(id) = map.next_value::<Texts>()?.0.into_iter().next() {
                    self.id = id;
                }
            }
            "transform" | "extract" => {
                map.next_value::<IgnoredAny>()?;
                self.is_transformed = true;
            }
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de, T: Thing> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ManyVisitor(std::marker::PhantomData))
    }
}

struct ManyVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Thing> Visitor<'de> for ManyVisitor<T> {
    type Value = Many<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, a reference, or a list of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Many<T>, A::Error> {
        let mut thing = T::default();
        while let Some(key) = map.next_key::<String>()? {
            thing.set(&key, &mut map)?;
        }
        Ok(Many(vec![thing]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Many<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(mut more) = list.next_element::<Many<T>>()? {
            all.append(&mut more.0);
        }
        Ok(Many(all))
    }

    fn visit_str<E>(self, id: &str) -> Result<Many<T>, E> {
        Ok(Many(vec![T::named(id)]))
    }

    fn visit_unit<E>(self) -> Result<Many<T>, E> {
        Ok(Many(Vec::new()))
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, an object with @value or @id, or a list of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
        let mut texts = Texts::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "@value" | "@id" => texts.add(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(texts)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
        let mut texts = Texts::default();
        while let Some(more) = list.next_element()? {
            texts.add(more);
        }
        Ok(texts)
    }

    fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(vec![text.to_owned()]))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Texts, E> {
        Ok(Texts(vec![value.to_string()]))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Texts, E> {
        Ok(Texts(vec![value.to_string()]))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Texts, E> {
        Ok(Texts(vec![value.to_string()]))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Texts, E> {
        Ok(Texts(vec![value.to_string()]))
    }

    fn visit_unit<E>(self) -> Result<Texts, E> {
        Ok(Texts::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn keys_count_under_all_their_names() {
        for text in [
            r#"{"@type": "FileObject", "contentUrl": "a", "sha256": "x", "containedIn": "z"}"#,
            r#"{"@type": ["cr:FileObject", "y"], "sc:contentUrl": ["a"], "cr:sha256": {"@value": "x"},
                "containedIn": {"@id": "z"}}"#,
            r#"{"@type": "http://mlcommons.org/croissant/FileObject", "https://schema.org/contentUrl": {"@id": "a"},
                "sha256": ["x"], "http://mlcommons.org/croissant/containedIn": [{"@id": "z"}]}"#,
        ] {
            let node = node(text);
            assert!(node.is("FileObject") && !node.is("FileSet"));
            assert_eq!(node.content_url.first(), Some("a"));
            assert_eq!(node.digests, [("sha256".to_owned(), "x".to_owned())]);
            assert_eq!((node.contained_in.len(), node.contained_in[0].id.as_str()), (1, "z"));
        }
    }

    #[test]
    fn lines_of_a_file_are_not_what_is_in_it() {
        let node = node(
            r#"{"containedIn": {"fileObject": {"@id": "list"}, "transform": {"readLines": true}}, "x": [1, {}]}"#,
        );
        assert!(node.contained_in[0].is_transformed && node.contained_in[0].id == "list");
    }

    #[test]
    fn values_of_other_kinds_do_not_stop_the_reading() {
        let node = node(
            r#"{"@id": null, "name": 3, "isLiveDataset": true, "distribution": null, "contentSize": 1.5}"#,
        );
        assert!(node.id.first().is_none() && node.is_live && node.distribution.is_empty());
        assert_eq!((node.name.first(), node.content_size.first()), (Some("3"), Some("1.5")));
    }
}
