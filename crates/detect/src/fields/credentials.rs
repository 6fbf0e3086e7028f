//! Whom a process acts as: `user.*`, `group.*`, `thread.cap_*`.

use schema::plain::words;

use super::{Chosen, Event, Id};
use crate::value::Seen;

pub(super) fn read<'a>(field: &Chosen, event: &'a Event<'_>) -> Option<Seen<'a>> {
    let process = event.process();
    let names = event.around.names;
    let now = || event.around.state.credentials(process);
    Some(match field.id {
        Id::UserUid => Seen::number(now().euid),
        Id::UserName => {
            let uid = now().euid;
            match names.user(process, uid) {
                Some(name) => Seen::owned(&*name),
                // What nobody knows is no name; root is root everywhere.
                None if uid == 0 => Seen::text("root"),
                None => Seen::Nothing,
            }
        }
        Id::UserLoginuid => Seen::number(match process.facts.loginuid {
            u32::MAX => -1,
            uid => i64::from(uid),
        }),
        Id::UserLoginname => match process.facts.loginuid {
            u32::MAX => Seen::Nothing,
            uid => Seen::maybe(names.user(process, uid), |name| Seen::owned(&*name)),
        },
        Id::GroupGid => Seen::number(now().egid),
        Id::GroupName => {
            let gid = now().egid;
            match names.group(process, gid) {
                Some(name) => Seen::owned(&*name),
                None if gid == 0 => Seen::text("root"),
                None => Seen::Nothing,
            }
        }
        Id::ThreadCapPermitted => Seen::owned(capabilities(now().cap_permitted)),
        Id::ThreadCapEffective => Seen::owned(capabilities(now().cap_effective)),
        Id::ThreadCapInheritable => Seen::owned(capabilities(now().cap_inheritable)),
        _ => return None,
    })
}

/// `CAP_CHOWN CAP_KILL`
pub(crate) fn capabilities(bits: u64) -> String {
    let mut shown = Vec::new();
    words::flags(words::CAPABILITIES, bits, |name| shown.push(name));
    shown.join(" ")
}
