//! What programs hook into and this kernel does not have.
//!
//! libbpf stops at the first program whose target is missing, and to find the next one takes loading
//! all of them again. A look into the kernel's type information beforehand is cheaper.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use libbpf_rs::ObjectBuilder;

use crate::Signal;
use crate::ladder::Refused;

const TYPES: &str = "/sys/kernel/btf";

/// The programs of `signal` that cannot be loaded for want of what they hook into, with the reason.
/// What is not certain is left to the kernel to refuse.
pub(crate) fn missing(signal: &Signal) -> Refused {
    let Ok(open) = ObjectBuilder::default().open_memory(signal.object) else {
        return Refused::new();
    };
    let sections: Vec<(String, String)> = open
        .progs()
        .filter_map(|program| {
            let target = target(&program.section().to_string_lossy())?;
            Some((program.name().to_string_lossy().into_owned(), target))
        })
        .collect();
    let absent = absent(sections.iter().map(|(_, target)| target.as_str()).collect());
    let rungs = signal.hooks.iter().flat_map(|hook| hook.rungs);
    let mut refused = Refused::new();
    for rung in rungs {
        let section = sections.iter().find(|(name, _)| name == rung.program);
        let known = refused.iter().any(|(program, _)| *program == rung.program);
        if let Some((_, target)) = section.filter(|(_, target)| absent.contains(target.as_str()))
            && !known
        {
            refused.push((rung.program, format!("this kernel has no `{target}`")));
        }
    }
    refused
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

/// Those of `names` that stand neither in the kernel's types nor in a module's. Names are whole
/// strings there, each between two NULs.
fn absent(names: BTreeSet<&str>) -> BTreeSet<&str> {
    let Ok(kernel) = fs::read(Path::new(TYPES).join("vmlinux")) else { return BTreeSet::new() };
    let mut left = names;
    take_out(&mut left, &kernel);
    if left.is_empty() {
        return left;
    }
    for module in fs::read_dir(TYPES).into_iter().flatten().flatten() {
        match fs::read(module.path()) {
            Ok(types) => take_out(&mut left, &types),
            Err(_) => return BTreeSet::new(),
        }
    }
    left
}

fn take_out(left: &mut BTreeSet<&str>, types: &[u8]) {
    for string in types.split(|&byte| byte == 0).filter(|string| !string.is_empty()) {
        if let Ok(string) = std::str::from_utf8(string) {
            left.remove(string);
        }
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
        let mut left = BTreeSet::from(["io_bind", "bind", "io"]);
        take_out(&mut left, b"\x01\x02\0io_bind\0io_bin\0other\0");
        assert_eq!(left, BTreeSet::from(["bind", "io"]));
    }
}
