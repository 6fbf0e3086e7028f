//! Whom a process acts as: `user.*`, `group.*`, `thread.cap_*`.

use schema::Credentials;
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

/// Every capability that a kernel of today has.
pub(super) const ALL: u64 = (1 << words::CAPABILITIES.len()) - 1;

/// Whether they may take on everything.
pub(crate) fn is_all(credentials: &Credentials) -> bool {
    // Older kernels have fewer: the last three came with 5.8 and 5.9.
    credentials.cap_permitted | 0b111 << 38 == ALL
}
