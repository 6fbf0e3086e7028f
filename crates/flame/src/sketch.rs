//! Profiles for tests, written as folded lines.

use crate::folded;
use crate::frame::Frame;
use crate::profile::Profile;
use crate::tree::View;

/// The profile of `lines`, every one of which is good.
pub(crate) fn sketch(lines: &str) -> Profile {
    let read = folded::read(lines.as_bytes(), &folded::Reading::default()).unwrap();
    assert_eq!(read.bad, 0, "{:?}", read.first_bad);
    read.profile
}

/// The profile as folded lines.
pub(crate) fn folded(profile: &Profile) -> String {
    let mut out = Vec::new();
    folded::write(profile, &View::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A frame of which nothing is known but its function.
pub(crate) fn frame(function: &str) -> Frame {
    Frame { function: function.into(), ..Frame::default() }
}
