//! Debian's packages without installing them: which mirror has them, and an apt of one's own
//! that fetches and unpacks.

mod apt_root;
mod mirror;

pub(crate) use apt_root::AptRoot;
pub(crate) use mirror::Mirror;

/// The keys that Debian's own packages are signed with.
pub(crate) const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
