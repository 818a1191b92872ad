//! The paths from a row to its texts, each of which is a column.

use std::collections::HashMap;
use std::sync::Arc;

use crate::shard::table::gather::Gather;

/// Names a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path(u32);

/// The row itself.
pub const ROOT: Path = Path(0);

/// What stands for all paths beyond the limits.
const OTHER: Path = Path(1);

/// Paths of one batch; those after them are one column, so that a row with a name for each text takes no more memory
/// than another.
const MOST: usize = 4096;

/// Paths after which a batch ends.
const MANY: usize = 1024;

/// Bytes of a column's name.
const MOST_NAME: usize = 1024;

/// Keys of one object that are looked through one by one.
const FEW: usize = 8;

/// The paths that a batch has shown so far.
#[derive(Debug)]
pub struct Paths {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    name: String,
    column: Option<usize>,
    /// Keys below, in the order in which they were first seen.
    keys: Vec<(Box<str>, Path)>,
    /// The same, once they are many.
    by_key: HashMap<Box<str>, usize>,
    /// Where the next key is expected: rows are mostly alike.
    next: usize,
    element: Option<Path>,
}

impl Default for Paths {
    fn default() -> Self {
        let other = Node { name: "*".to_string(), ..Node::default() };
        Paths { nodes: vec![Node::default(), other] }
    }
}

impl Paths {
    /// Whether the batch should end.
    pub fn are_many(&self) -> bool {
        self.nodes.len() > MANY
    }

    /// The path of a key's value.
    pub fn key(&mut self, parent: Path, key: &str) -> Path {
        let node = &mut self.nodes[parent.0 as usize];
        let expected = node.keys.get(node.next).is_some_and(|(known, _)| **known == *key);
        let found = if expected {
            Some(node.next)
        } else if node.keys.len() <= FEW {
            node.keys.iter().position(|(known, _)| **known == *key)
        } else {
            node.by_key.get(key).copied()
        };
        if let Some(found) = found {
            node.next = found + 1;
            return node.keys[found].1;
        }
        let joined = if parent == ROOT { key.len() } else { node.name.len() + 1 + key.len() };
        if parent == OTHER || joined > MOST_NAME || self.nodes.len() >= MOST {
            return OTHER;
        }
        let name = join(parent, &self.nodes[parent.0 as usize].name, key);
        let path = self.add(name);
        let node = &mut self.nodes[parent.0 as usize];
        node.by_key.insert(key.into(), node.keys.len());
        node.keys.push((key.into(), path));
        node.next = node.keys.len();
        path
    }

    /// The path of an array's values.
    pub fn element(&mut self, parent: Path) -> Path {
        if let Some(path) = self.nodes[parent.0 as usize].element {
            return path;
        }
        let name = join(parent, &self.nodes[parent.0 as usize].name, "list.element");
        if parent == OTHER || name.len() > MOST_NAME || self.nodes.len() >= MOST {
            return OTHER;
        }
        let path = self.add(name);
        self.nodes[parent.0 as usize].element = Some(path);
        path
    }

    /// The column of the texts there.
    pub fn column(&mut self, path: Path, gather: &mut Gather) -> usize {
        // A text that is a row has no name of its own.
        let path = if path == ROOT { OTHER } else { path };
        let node = &mut self.nodes[path.0 as usize];
        *node.column.get_or_insert_with(|| gather.add_column(Arc::from(node.name.as_str())))
    }

    fn add(&mut self, name: String) -> Path {
        // At most `MOST`.
        let path = Path(self.nodes.len() as u32);
        self.nodes.push(Node { name, ..Node::default() });
        path
    }
}

fn join(parent: Path, above: &str, name: &str) -> String {
    if parent == ROOT { name.to_string() } else { format!("{above}.{name}") }
}
