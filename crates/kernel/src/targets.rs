//! What programs hook into and this kernel does not have.
//!
//! libbpf stops at the first program whose target is missing, and to find the next one takes loading
//! all of them again. A look into the kernel's type information beforehand is cheaper.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use libbpf_rs::ObjectBuilder;

use crate::Signal;
use crate::ladder::Refused;

const TYPES: &str = "/sys/kernel/btf";

/// What the programs of some signals hook into, and which of it is not there.
pub(crate) struct Targets {
    /// By signal: its programs, each with what it hooks into.
    programs: BTreeMap<&'static str, Vec<(String, String)>>,
    absent: HashSet<String>,
}

impl Targets {
    /// Looks for all that `signals` hook into, and for `others`, in one reading of the kernel's types.
    pub(crate) fn of(signals: &[&'static Signal], others: &[&str]) -> Targets {
        let programs: BTreeMap<_, _> = signals.iter().map(|it| (it.name, sections(it))).collect();
        let targets = programs.values().flatten().map(|(_, target)| target.clone());
        let absent = absent(targets.chain(others.iter().map(|it| it.to_string())).collect());
        Targets { programs, absent }
    }

    /// Whether the kernel's types know of `name`, which was asked for: a function or a type.
    pub(crate) fn has(&self, name: &str) -> bool {
        !self.absent.contains(name)
    }

    /// The programs of `signal` that cannot be loaded for want of what they hook into, with the
    /// reason. What is not certain is left to the kernel to refuse.
    pub(crate) fn missing(&self, signal: &Signal) -> Refused {
        let programs = self.programs.get(signal.name).into_iter().flatten();
        let absent: Vec<_> = programs.filter(|(_, target)| self.absent.contains(target)).collect();
        let mut refused = Refused::new();
        for rung in signal.hooks.iter().flat_map(|hook| hook.rungs) {
            let known = refused.iter().any(|(program, _)| *program == rung.program);
            let target = absent.iter().find(|(name, _)| name == rung.program && !known);
            if let Some((_, target)) = target {
                refused.push((rung.program, format!("this kernel has no `{target}`")));
            }
        }
        refused
    }
}

/// The signal's programs whose section says what they hook into, and that.
fn sections(signal: &Signal) -> Vec<(String, String)> {
    let Ok(open) = ObjectBuilder::default().open_memory(signal.object) else { return Vec::new() };
    let named = open.progs().filter_map(|program| {
        let target = target(&program.section().to_string_lossy())?;
        Some((program.name().to_string_lossy().into_owned(), target))
    });
    named.collect()
}

/// What a section's program hooks into is called in the kernel's types.
fn target(section: &str) -> Option<String> {
    let (how, name) = section.split_once('/')?;
    match how {
        "tp_btf" => Some(format!("btf_trace_{name}")),
        "fentry" | "fexit" => Some(name.to_string()),
        "lsm" => Some(format!("bpf_lsm_{name}")),
        _ => None,
    }
}

/// Those of `names` that stand neither in the kernel's types nor in a module's; none where that
/// cannot be read. Names are whole strings there, each between two NULs.
fn absent(names: HashSet<String>) -> HashSet<String> {
    let Ok(kernel) = fs::read(Path::new(TYPES).join("vmlinux")) else { return HashSet::new() };
    let mut left = names;
    take_out(&mut left, strings(&kernel));
    if left.is_empty() {
        return left;
    }
    for module in fs::read_dir(TYPES).into_iter().flatten().flatten() {
        match fs::read(module.path()) {
            Ok(types) => take_out(&mut left, strings(&types)),
            Err(_) => return HashSet::new(),
        }
    }
    left
}

/// The strings of BTF, which stand behind its types; all of it where the header says nothing sensible.
fn strings(types: &[u8]) -> &[u8] {
    let word = |at: usize| Some(u32::from_le_bytes(types.get(at..at + 4)?.try_into().ok()?));
    let begin = || (word(4)? as usize).checked_add(word(16)? as usize);
    begin().and_then(|begin| types.get(begin..)).unwrap_or(types)
}

fn take_out(left: &mut HashSet<String>, strings: &[u8]) {
    let names = strings.split(|&byte| byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
    for name in names {
        left.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_name_their_targets() {
        assert_eq!(target("tp_btf/sys_exit").as_deref(), Some("btf_trace_sys_exit"));
        assert_eq!(target("fexit/io_bind").as_deref(), Some("io_bind"));
        assert_eq!(target("lsm/path_unlink").as_deref(), Some("bpf_lsm_path_unlink"));
        assert_eq!(target("kprobe/unix_release"), None);
        assert_eq!(target("iter/task"), None);
    }

    #[test]
    fn only_whole_names_count() {
        let mut left = HashSet::from(["io_bind", "bind", "io"].map(String::from));
        take_out(&mut left, b"\x01\x02\0io_bind\0io_bin\0other\0");
        assert_eq!(left, HashSet::from(["bind", "io"].map(String::from)));
    }

    #[test]
    fn only_the_strings_are_looked_at() {
        // Header of 24 bytes, its length at 4; at 16 where the strings begin, behind 4 bytes of types.
        let mut types =
            [[0; 4], [24, 0, 0, 0], [0; 4], [4, 0, 0, 0], [4, 0, 0, 0], [5, 0, 0, 0]].concat();
        types.extend(b"type\0name");
        assert_eq!(strings(&types), b"\0name");
        assert_eq!(strings(b"short"), b"short");
        assert_eq!(strings(&[0xff; 32]), [0xff; 32]);
    }
}
