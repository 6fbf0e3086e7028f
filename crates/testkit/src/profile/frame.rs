//! One frame's text, whichever profiler wrote it: which function it is, and where it lies.

/// What comes into the kernel, whichever way; what lies inwards of it is the kernel's own.
const DOORS: &[&str] = &[
    "entry_SYSCALL_64_after_hwframe",
    "entry_SYSCALL_64",
    "entry_SYSCALL_64_safe_stack",
    "entry_SYSRETQ_unsafe_stack",
    "syscall_return_via_sysret",
    "do_syscall_64",
    "x64_sys_call",
    "error_entry",
    "error_return",
    "irqentry_exit_to_user_mode",
    "native_irq_return_iret",
    "common_interrupt_return",
    "swapgs_restore_regs_and_return_to_usermode",
];

/// Where a whole stack of user space begins.
const ROOTS: &[&str] = &[
    "_start",
    "_dl_start_user",
    "__libc_start_main",
    "__libc_start_call_main",
    "start_thread",
    "clone",
    "__clone",
    "clone3",
    "__clone3",
    "_rt0_amd64_linux",
    "goexit",
    "mstart",
    "mcall",
    "systemstack",
    "ret_from_fork",
    "ret_from_fork_asm",
    "thread_native_entry",
];

/// What is behind some names: `_[k]` and `_[i]` say kernel and inlined.
const MARKS: &[&str] = &["_[k]", "_[i]", "_[j]"];

/// The name without marks, a script's directory, arguments, the place in a source file, and versions of symbols.
pub fn bare(frame: &str) -> &str {
    let mut name = frame.trim();
    for mark in MARKS {
        name = name.strip_suffix(mark).unwrap_or(name);
    }
    // A place before the name: a script's path has words of its own.
    if name.starts_with('/') {
        name = name.rsplit('/').next().unwrap_or(name);
    }
    let arguments = name.match_indices('(').map(|(at, _)| at).find(|at| {
        // `operator()` and `(anonymous namespace)` are not arguments.
        *at > 0
            && !name[..*at].ends_with("operator")
            && !name[*at..].starts_with("(anonymous namespace)")
    });
    let ends = [arguments, name.find(" /"), name.find(" file:"), name.find("@@")];
    let end = ends.into_iter().flatten().filter(|at| *at > 0).min();
    name[..end.unwrap_or(name.len())].trim_end()
}

/// Whether `word` stands in the frame's name as a word of its own: `hot_a` in `work::hot_a(int)`,
/// in `main.hot_a` and in `JS:*hot_a /x.js:3`, not in `hot_ab`.
pub fn has_word(frame: &str, word: &str) -> bool {
    let name = bare(frame);
    let part = |it: char| it.is_ascii_alphanumeric() || it == '_';
    name.match_indices(word).any(|(at, _)| {
        let before = name[..at].chars().next_back();
        let after = name[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// Whether the kernel's part of the stack begins with this frame.
pub fn is_kernel(frame: &str) -> bool {
    let name = bare(frame);
    frame.trim_end().ends_with("_[k]") || name.starts_with("asm_") || DOORS.contains(&name)
}

/// Whether a stack that begins with this frame is whole.
///
/// A C library without symbols of its own functions tells only of an offset in it, and a thread
/// begins there.
pub fn is_root(frame: &str) -> bool {
    let name = bare(frame).trim_start_matches('[');
    ROOTS.iter().any(|root| has_word(frame, root)) || name.starts_with("libc.so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_in_every_language() {
        for frame in [
            "hot_a",
            "hot_a(unsigned long)",
            "work::hot_a(unsigned long)",
            "chain::hot_a",
            "main.hot_a",
            "JS:*hot_a /tmp/leaf/main.js:13:15",
            "long Chain.hot_a(long)",
            "hot_a.constprop.0",
            "hot_a_[i]",
            "hot_a (chain.py:12)",
            "/tmp/main/chain.py:hot_a",
        ] {
            assert!(has_word(frame, "hot_a"), "{frame}");
        }
        for frame in [
            "hot_ab",
            "/tmp/hot_a/chain.py:leaf",
            "shot_a",
            "f(hot_a)",
            "JS:*rec /tmp/hot_a.js:1",
            "[unknown]",
        ] {
            assert!(!has_word(frame, "hot_a"), "{frame}");
        }
    }

    #[test]
    fn the_kernel_and_the_beginning_are_known() {
        assert!(is_kernel("vfs_read_[k]") && is_kernel("entry_SYSCALL_64_after_hwframe"));
        assert!(is_kernel("asm_sysvec_apic_timer_interrupt") && !is_kernel("read"));
        assert!(is_root("__libc_start_main@@GLIBC_2.34") && is_root("runtime.goexit.abi0"));
        assert!(is_root("[libc.so.6]+0x891f5") && is_root("libc.so.6+0x891f5"));
        assert!(!is_root("main") && !is_root("[unknown]"));
    }

    #[test]
    fn what_is_not_the_name_is_cut_off() {
        assert_eq!(bare("(anonymous namespace)::f(int)"), "(anonymous namespace)::f");
        assert_eq!(bare("(anonymous namespace)"), "(anonymous namespace)");
        assert_eq!(bare("g((anonymous namespace)::T)"), "g");
        assert_eq!(bare("A::operator()(int)"), "A::operator()");
        assert_eq!(bare("clone@@GLIBC_2.2.5"), "clone");
    }
}
