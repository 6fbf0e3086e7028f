//! Names as their authors wrote them: C++ (Itanium), Rust (both manglings); others are as they are.
//!
//! Mangled names come from files that anybody may have written, and both manglings can refer back
//! to what they said before, so that few bytes stand for a text without end. A name's length, its
//! nesting and the length of what is written are bounded; beyond, the mangled name is given.

use std::borrow::Cow;
use std::fmt::{self, Write};

use cpp_demangle::{DemangleOptions, ParseOptions, Symbol};

/// Mangled names longer than this, in bytes, are left as they are.
const MANGLED: usize = 8 * 1024;
/// Readable names longer than this, in bytes, are not made.
const READABLE: usize = 16 * 1024;
/// How deep a C++ name may be nested: twice the parser's own default, and well within a thread's
/// stack.
const DEPTH: u32 = 192;

/// `name` in readable form, without the hash that Rust appends; `name` itself where it is not
/// mangled, is broken, or is too much. What linkers and compilers hang on a name (`@plt`,
/// `.cold`) stays on it.
pub fn demangle(name: &str) -> Cow<'_, str> {
    let (mangled, version) = match name.find('@') {
        Some(at) => name.split_at(at),
        None => (name, ""),
    };
    if mangled.len() > MANGLED || !(mangled.starts_with("_Z") || mangled.starts_with("_R")) {
        return Cow::Borrowed(name);
    }
    let Some(mut readable) = rust(mangled).or_else(|| cpp(mangled)) else {
        return Cow::Borrowed(name);
    };
    readable.push_str(version);
    Cow::Owned(readable)
}

fn rust(mangled: &str) -> Option<String> {
    let parsed = rustc_demangle::try_demangle(mangled).ok()?;
    let mut text = Bounded(String::new());
    write!(text, "{parsed:#}").ok()?;
    Some(text.0)
}

fn cpp(mangled: &str) -> Option<String> {
    let writing = DemangleOptions::new().hide_expression_literal_types();
    written(mangled, writing).or_else(|| cpp_by_its_start(mangled))
}

/// The name without its arguments, of a template whose result is "this type, if …": the parser
/// does not know all that can stand behind the "if", which `std::swap` already has.
fn cpp_by_its_start(mangled: &str) -> Option<String> {
    let (name, _) = mangled.split_once("ENSt9enable_if")?;
    // As if it took nothing and gave nothing.
    written(&format!("{name}Evv"), DemangleOptions::new().no_return_type().no_params())
}

fn written(mangled: &str, writing: DemangleOptions) -> Option<String> {
    let parsing = ParseOptions::default().recursion_limit(DEPTH);
    let parsed = Symbol::new_with_options(mangled, &parsing).ok()?;
    let mut text = Bounded(String::new());
    parsed.structured_demangle(&mut text, &writing.recursion_limit(DEPTH)).ok()?;
    // What a list of no types at the end of a list leaves behind.
    Some(if text.0.contains(", >") { text.0.replace(", >", ">") } else { text.0 })
}

/// A text that refuses to grow beyond [`READABLE`].
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.0.len() + part.len() > READABLE {
            return Err(fmt::Error);
        }
        self.0.push_str(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_names_lose_their_hash() {
        let cases = [
            ("_ZN3foo3bar17h05af221e174051e9E", "foo::bar"),
            (
                "_ZN4core3fmt9Formatter9write_fmt17h0123456789abcdefE.llvm.77",
                "core::fmt::Formatter::write_fmt",
            ),
            (
                "_ZN50_$LT$T$u20$as$u20$core..convert..From$LT$T$GT$$GT$4from17h0123456789abcdefE",
                "<T as core::convert::From<T>>::from",
            ),
            ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
            ("_RINvNtC3std3mem8align_ofdE", "std::mem::align_of::<f64>"),
        ];
        for (mangled, readable) in cases {
            assert_eq!(demangle(mangled), readable, "{mangled}");
        }
    }

    #[test]
    fn cpp_names_keep_what_hangs_on_them() {
        let cases = [
            ("_ZN5space3fooEibc", "space::foo(int, bool, char)"),
            ("_Znwm@plt", "operator new(unsigned long)@plt"),
            (
                "_ZNSt6vectorIiSaIiEE9push_backEOi",
                "std::vector<int, std::allocator<int> >::push_back(int&&)",
            ),
            (
                "_ZSt4swapIiENSt9enable_ifIXsrSt6__and_IJSt6__not_ISt15__is_tuple_likeIT_EESt21is_move_constructibleIS4_ESt18is_move_assignableIS4_EEE5valueEvE4typeERS4_SE_",
                "std::swap<int>",
            ),
            ("_ZN1A1fEv.cold", "A::f() [clone .cold]"),
        ];
        for (mangled, readable) in cases {
            assert_eq!(demangle(mangled), readable, "{mangled}");
        }
    }

    #[test]
    fn other_names_are_as_they_are() {
        for name in [
            "main",
            "main.(*T).Method-fm",
            "type:.eq.[2]string",
            "ZN",
            "_Z",
            "_R",
            "",
            "Reset",
            "malloc@plt",
            "_Zzzz@@V1",
        ] {
            assert!(matches!(demangle(name), Cow::Borrowed(same) if same == name), "{name}");
        }
    }
}
