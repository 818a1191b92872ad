//! Files whose inside is passing by while claims and items meet.

use super::AlteredFile;
use crate::check::balance::ItemClass;
use crate::observation::Observation;

/// A file whose inside is passing by.
pub(super) struct Container {
    pub place: Vec<u8>,
    /// What its own claims made of the file; `None` while nothing claims it.
    pub class: Option<ItemClass>,
    pub loose: Option<Observation>,
    /// Where it is not as claimed: the file, and what is to be told of it.
    pub altered: Option<(Observation, AlteredFile)>,
    /// Whether an index claims all of its samples.
    pub claimed_inside: bool,
    /// It is as an index claims it and was not opened: what the index claims of its inside holds with it.
    pub covers: bool,
    pub settled_members: u64,
    /// A claim names something inside that was not found.
    pub sought_inside: bool,
}

/// The containers that hold one place, by root: one or two, most often.
#[derive(Default)]
pub(super) struct Containers(Vec<(u16, Container)>);

impl Containers {
    fn at(&self, root: u16) -> std::result::Result<usize, usize> {
        self.0.binary_search_by_key(&root, |(root, _)| *root)
    }

    pub fn get(&self, root: u16) -> Option<&Container> {
        self.at(root).ok().map(|at| &self.0[at].1)
    }

    pub fn get_mut(&mut self, root: u16) -> Option<&mut Container> {
        self.at(root).ok().map(|at| &mut self.0[at].1)
    }

    pub fn insert(&mut self, root: u16, container: Container) -> Option<Container> {
        match self.at(root) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, container)),
            Err(at) => {
                self.0.insert(at, (root, container));
                None
            }
        }
    }

    /// Takes out those that have ended, with their roots.
    pub fn take(&mut self, ended: impl Fn(&Container) -> bool) -> Vec<(u16, Container)> {
        self.0.extract_if(.., |(_, container)| ended(container)).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Container> {
        self.0.iter().map(|(_, container)| container)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Container> {
        self.0.iter_mut().map(|(_, container)| container)
    }
}
