//! The names of a profile's frames, each once.

use indexmap::IndexSet;

use crate::frame::Name;
use crate::profile::Profile;

/// Interned names; an id is a place in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(IndexSet<Name>);

impl Names {
    /// The id of `name`. What a name has beside its identity is that of the first one.
    pub(crate) fn id(&mut self, name: Name) -> u32 {
        self.0.insert_full(name).0 as u32
    }

    /// The ids of the names of all frames of `profile`, by the frames' places.
    pub(crate) fn of_frames(&mut self, profile: &Profile) -> Vec<u32> {
        profile.frames().map(|frame| self.id(Name::of(frame))).collect()
    }

    pub(crate) fn get(&self, id: u32) -> &Name {
        &self.0[id as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
