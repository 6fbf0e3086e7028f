//! The frames of Python by name, among the other places of a stack.

use std::sync::Arc;

use schema::{PythonEnd, RawStack, StackEnd};

use super::code::{Codes, Found};
use super::merge::{Whose, join};
use crate::naming::{Place, PlaceKind};

/// How it went.
pub(crate) struct Put {
    /// Whether each frame stands where it belongs for certain.
    pub(crate) exact: bool,
    /// Functions of which nobody knows the names any more.
    pub(crate) lost: Vec<u64>,
}

/// Puts the frames of Python that `stack` has among its other `places`, which ended at `end`.
pub(crate) fn among(
    codes: &mut Codes,
    stack: &RawStack,
    end: StackEnd,
    places: Vec<Arc<[Arc<Place>]>>,
) -> (Vec<Arc<[Arc<Place>]>>, Put) {
    let names: Vec<Option<&str>> = places.iter().map(|places| name(places)).collect();
    let whole = end == StackEnd::Bottom && stack.python_end == PythonEnd::Bottom;
    let joined = join(&names, &stack.python, whole);
    let mut put = Put { exact: joined.exact, lost: Vec::new() };
    let mut all = Vec::with_capacity(joined.frames.len());
    for frame in joined.frames {
        match frame {
            Whose::Native(at) => all.push(places[at].clone()),
            Whose::Python(at) => match codes.place(stack.space, &stack.python[at]) {
                Found::Place(place) => all.push(place),
                Found::Glue => {}
                Found::Lost => {
                    put.lost.push(stack.python[at].code);
                    all.push(codes.unknown());
                }
            },
        }
    }
    (all, put)
}

/// The function that really is at an address, which others may have been put into.
fn name(places: &[Arc<Place>]) -> Option<&str> {
    let place = places.last().filter(|place| place.kind != PlaceKind::Unknown)?;
    let is_address = place.binary.as_ref().is_some_and(|binary| {
        let rest = place.function.strip_prefix(&**binary);
        rest.is_some_and(|rest| rest.starts_with("+0x"))
    });
    (!is_address).then_some(&*place.function)
}
