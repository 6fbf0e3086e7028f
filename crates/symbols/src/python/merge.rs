//! Python's frames and those of C in one stack.
//!
//! In the stack of C an interpreter shows as its loop, a function that runs one or more functions of
//! Python. Each call of the loop from C begins with a frame of Python that is marked as an entry, so the
//! calls of the loop and the runs of frames between entries belong together one to one, and what C
//! functions were called from Python, or call back into it, comes to stand where it belongs.

use schema::PythonFrame;

/// Whose a frame of the joined stack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// A native frame, by its place among those that were given.
    Native(usize),
    /// A frame of Python, by its place among those that were given.
    Python(usize),
}

/// A stack of both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Joined {
    /// Its frames, innermost first.
    pub frames: Vec<Whose>,
    /// Whether all stand where they belong for certain. Where a stack is not whole, or no name tells the
    /// loop, there are not as many calls of the loop as runs of Python's frames; then some stand where
    /// they most probably belong.
    pub exact: bool,
}

/// The function that is the interpreter's loop.
const LOOP: &str = "_PyEval_EvalFrameDefault";

/// Functions that do nothing but call: of no interest between a function of Python and what it calls.
const GLUE: &[&str] = &[
    "PyEval_EvalCode",
    "PyEval_EvalFrame",
    "PyEval_EvalFrameEx",
    "PyGen_am_send",
    "PyObject_Call",
    "PyObject_CallFunction",
    "PyObject_CallFunctionObjArgs",
    "PyObject_CallMethod",
    "PyObject_CallMethodNoArgs",
    "PyObject_CallMethodObjArgs",
    "PyObject_CallMethodOneArg",
    "PyObject_CallNoArgs",
    "PyObject_CallObject",
    "PyObject_CallOneArg",
    "PyObject_Vectorcall",
    "PyObject_VectorcallDict",
    "PyObject_VectorcallMethod",
    "PyVectorcall_Call",
    "_PyEval_EvalFrame",
    "_PyEval_Vector",
    "_PyFunction_FastCallDict",
    "_PyFunction_Vectorcall",
    "_PyObject_Call",
    "_PyObject_CallFunctionVa",
    "_PyObject_CallMethod",
    "_PyObject_CallNoArgs",
    "_PyObject_CallNoArgsTstate",
    "_PyObject_CallOneArg",
    "_PyObject_Call_Prepend",
    "_PyObject_FastCall",
    "_PyObject_FastCallDictTstate",
    "_PyObject_MakeTpCall",
    "_PyObject_VectorcallDictTstate",
    "_PyObject_VectorcallMethodId",
    "_PyObject_VectorcallPrepend",
    "_PyObject_VectorcallTstate",
    "_PyVectorcall_Call",
    "_Py_slot_tp_getattr_hook",
    "call_function",
    "call_unbound",
    "call_unbound_noarg",
    "cfunction_call",
    "do_call_core",
    "gen_iternext",
    "gen_send_ex",
    "gen_send_ex2",
    "object_vacall",
    "trace_call_function",
    "type_call",
    "vectorcall_maybe",
    "vectorcall_method",
    "vectorcall_unbound",
];

/// How such functions' names begin where there are many of a kind.
const GLUE_KINDS: &[&str] = &[
    "_TAIL_CALL_",
    "cfunction_vectorcall_",
    "method_vectorcall",
    "slot_am_",
    "slot_mp_",
    "slot_nb_",
    "slot_sq_",
    "slot_tp_",
];

/// Joins the `native` frames, each with its function's name, and the frames of `python`, both innermost
/// first. `whole` says that of neither the outermost are missing.
///
/// The loop itself gives way to what it runs, and so does what only calls between the two.
pub fn join(native: &[Option<&str>], python: &[PythonFrame], whole: bool) -> Joined {
    if python.is_empty() {
        let frames = (0..native.len()).map(Whose::Native).collect();
        let loops = native.iter().filter(|name| is_loop(name)).count();
        return Joined { frames, exact: loops <= usize::from(whole) };
    }
    let loops: Vec<usize> = (0..native.len()).filter(|&at| is_loop(&native[at])).collect();
    let runs = runs(python);
    // For a moment at its begin and at its end a call of the loop has no frame of Python.
    let between = whole && loops.len() == runs.len() + 1;
    let exact = between || loops.len() == runs.len();
    // What is at hand on both sides is counted from the side where nothing is missing.
    let paired = loops.len().min(runs.len());
    let (loops_from, runs_from) =
        if whole { (loops.len() - paired, runs.len() - paired) } else { (0, 0) };
    let pairs = loops[loops_from..].iter().zip(&runs[runs_from..]).take(paired);

    let mut instead = vec![Instead::Itself; native.len()];
    for (&at, run) in pairs {
        fold(native, at, &mut instead);
        instead[at] = Instead::Run(run.clone());
    }
    let inner = 0..runs.get(runs_from).map_or(python.len(), |run| run.start);
    let outer = runs.get(runs_from + paired).map_or(python.len(), |run| run.start)..python.len();
    let inner_at = place_of_inner(native, loops.get(loops_from).copied().filter(|_| paired > 0));

    let mut frames = Vec::with_capacity(native.len() + python.len());
    for (at, instead) in instead.into_iter().enumerate() {
        if at == inner_at {
            frames.extend(inner.clone().map(Whose::Python));
        }
        match instead {
            Instead::Itself => frames.push(Whose::Native(at)),
            Instead::Nothing => {}
            Instead::Run(run) => frames.extend(run.map(Whose::Python)),
        }
    }
    if inner_at >= native.len() {
        frames.extend(inner.map(Whose::Python));
    }
    frames.extend(outer.map(Whose::Python));
    Joined { frames, exact }
}

/// What stands in the place of a native frame.
#[derive(Clone)]
enum Instead {
    Itself,
    Nothing,
    Run(std::ops::Range<usize>),
}

/// The frames that run in one call of the loop each.
fn runs(python: &[PythonFrame]) -> Vec<std::ops::Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    for (at, frame) in python.iter().enumerate() {
        if frame.entry || at + 1 == python.len() {
            runs.push(start..at + 1);
            start = at + 1;
        }
    }
    runs
}

/// Takes out what only calls, next to the loop at `at`; but not the innermost frame of all, where the
/// time went.
fn fold(native: &[Option<&str>], at: usize, instead: &mut [Instead]) {
    let inner = (0..at).rev().take_while(|&at| is_glue(&native[at]));
    let inner: Vec<usize> = inner.filter(|&at| at > 0).collect();
    let outer = (at + 1..native.len()).take_while(|&at| is_glue(&native[at]));
    for at in inner.into_iter().chain(outer) {
        instead[at] = Instead::Nothing;
    }
}

/// Before which native frame runs without a loop go, where the innermost loop that has one is at
/// `paired`: the loop of such a run is probably the nearest frame that nothing names.
fn place_of_inner(native: &[Option<&str>], paired: Option<usize>) -> usize {
    let end = paired.unwrap_or(native.len());
    (0..end).rev().find(|&at| native[at].is_none()).unwrap_or(end)
}

fn is_loop(name: &Option<&str>) -> bool {
    name.is_some_and(|name| base(name) == LOOP)
}

fn is_glue(name: &Option<&str>) -> bool {
    let Some(name) = name.map(base) else { return false };
    GLUE.binary_search(&name).is_ok() || GLUE_KINDS.iter().any(|kind| name.starts_with(kind))
}

/// A name without what compilers put behind it, as `.cold` and `.lto_priv.0`.
fn base(name: &str) -> &str {
    name.split_once('.').map_or(name, |(base, _)| base)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames innermost first; `!` marks an entry.
    fn python(marks: &str) -> Vec<PythonFrame> {
        let frame =
            |(at, mark)| PythonFrame { code: at as u64, instruction: None, entry: mark == '!' };
        marks.chars().enumerate().map(frame).collect()
    }

    /// The joined stack as words: native names, and Python's frames as their numbers.
    fn joined(native: &[&str], marks: &str, whole: bool) -> (Vec<String>, bool) {
        let names: Vec<_> = native.iter().map(|&it| (it != "?").then_some(it)).collect();
        let joined = join(&names, &python(marks), whole);
        let word = |place: &Whose| match *place {
            Whose::Native(at) => native[at].to_string(),
            Whose::Python(at) => at.to_string(),
        };
        (joined.frames.iter().map(word).collect(), joined.exact)
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn the_loop_gives_way_to_what_it_runs() {
        let native =
            ["_PyEval_EvalFrameDefault", "_PyEval_Vector", "PyEval_EvalCode", "run_mod", "main"];
        assert_eq!(joined(&native, "..!", true), (words("0 1 2 run_mod main"), true));
    }

    #[test]
    fn c_between_two_entries_stays() {
        let native = [
            "memcmp",
            "_PyEval_EvalFrameDefault.cold",
            "_PyFunction_Vectorcall",
            "list_sort_impl.constprop.0",
            "method_vectorcall_FASTCALL_KEYWORDS",
            "PyObject_VectorcallMethod",
            "builtin_sorted",
            "cfunction_vectorcall_FASTCALL_KEYWORDS",
            "PyObject_Vectorcall",
            "_PyEval_EvalFrameDefault",
            "_PyEval_Vector",
            "run_mod",
        ];
        let expected = "memcmp 0 list_sort_impl.constprop.0 \
            method_vectorcall_FASTCALL_KEYWORDS PyObject_VectorcallMethod builtin_sorted 1 2 run_mod";
        assert_eq!(joined(&native, "!.!", true), (words(expected), true));
    }

    #[test]
    fn the_innermost_frame_stays() {
        let native = ["PyObject_Vectorcall", "cfunction_call", "_PyEval_EvalFrameDefault", "main"];
        assert_eq!(joined(&native, "!", true), (words("PyObject_Vectorcall 0 main"), true));
    }

    #[test]
    fn a_loop_that_has_not_begun_stays() {
        let loops = ["_PyEval_EvalFrameDefault", "f", "_PyEval_EvalFrameDefault", "main"];
        let expected = words("_PyEval_EvalFrameDefault f 0 1 main");
        assert_eq!(joined(&loops, ".!", true), (expected, true));
        let from_inside = words("0 1 f _PyEval_EvalFrameDefault main");
        assert_eq!(joined(&loops, ".!", false), (from_inside, false));
        // Nothing of Python at all.
        let expected = words("_PyEval_EvalFrameDefault f _PyEval_EvalFrameDefault main");
        assert_eq!(joined(&loops, "", true), (expected, false));
        assert_eq!(joined(&["f", "main"], "", true), (words("f main"), true));
    }

    #[test]
    fn frames_without_a_loop_are_not_lost() {
        // The loop's cold part has no name.
        let native = ["g", "?", "call", "_PyEval_EvalFrameDefault", "main"];
        assert_eq!(joined(&native, "!!", true), (words("g 0 ? call 1 main"), false));
        // The walk up the stack of C ended early: the outermost frames of Python are the callers.
        let native = ["g", "_PyEval_EvalFrameDefault", "h"];
        assert_eq!(joined(&native, ".!.!", false), (words("g 0 1 h 2 3"), false));
        // No name at all, and no native frame at all.
        assert_eq!(joined(&["g", "h"], ".!", false), (words("g h 0 1"), false));
        assert_eq!(joined(&["g", "h"], ".!", true), (words("g h 0 1"), false));
        assert_eq!(joined(&[], ".!", true), (words("0 1"), false));
    }

    #[test]
    fn every_frame_is_there_once() {
        let names = ["_PyEval_EvalFrameDefault", "f", "?", "_PyEval_Vector"];
        for case in 0..4u32.pow(5) {
            let native: Vec<&str> =
                (0..5).map(|at| names[(case / 4u32.pow(at) % 4) as usize]).collect();
            for marks in ["", ".", "!", "!.", ".!", "!!", "!.!", "..!!.!", "!!!!!!!"] {
                for whole in [false, true] {
                    let (words, _) = joined(&native, marks, whole);
                    let numbers: Vec<usize> =
                        words.iter().filter_map(|it| it.parse().ok()).collect();
                    let all: Vec<usize> = (0..marks.len()).collect();
                    assert_eq!(numbers, all, "{native:?} {marks} {whole}");
                    let kept = |it: &&str| words.iter().filter(|word| word == it).count();
                    assert_eq!(kept(&"f"), native.iter().filter(|it| **it == "f").count());
                }
            }
        }
    }

    #[test]
    fn the_list_is_in_order() {
        assert!(GLUE.is_sorted());
    }
}
