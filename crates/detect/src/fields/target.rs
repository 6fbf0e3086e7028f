//! Upon whom a process acts: `target.*`.

use std::sync::Arc;

use schema::{Process, Value};

use super::{Chosen, Event, Id};
use crate::columns::Role;
use crate::value::Seen;

pub(super) fn read<'a>(field: &Chosen, event: &'a Event<'_>) -> Option<Seen<'a>> {
    let is_of_target = matches!(
        field.id,
        Id::TargetPid | Id::TargetName | Id::TargetExepath | Id::TargetIsSelf | Id::TargetIsChild
    );
    if !is_of_target {
        return None;
    }
    let Value::Process(key) = event.value(Role::Target) else { return Some(Seen::Nothing) };
    let own = event.process().key;
    // The worker saw the target run only if it is its own, so the table of all is asked first.
    let target = || -> Option<Arc<Process>> {
        let around = &event.around;
        around.names.process(key).or_else(|| around.state.ran(key).cloned())
    };
    Some(match field.id {
        Id::TargetPid => Seen::number(key.pid),
        Id::TargetIsSelf => Seen::Bool(key == own),
        Id::TargetName => Seen::maybe(target(), |it| Seen::owned(it.facts.comm.as_bytes())),
        Id::TargetExepath => Seen::maybe(target(), |it| Seen::owned(&*it.facts.exe)),
        Id::TargetIsChild => Seen::maybe(target(), |it| {
            Seen::Bool(it.ancestors.iter().any(|ancestor| ancestor.key == own))
        }),
        _ => return None,
    })
}
