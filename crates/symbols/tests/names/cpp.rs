//! Functions within functions, files and lines, against `addr2line`.

use symbols::{InlineFrame, Lines, LinesLimits, Names, NamesLimits, demangle};

use crate::programs::{Workshop, nm};
use crate::tables::agree;

const PROGRAM: &str = r#"
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace shop {
template <class T> struct Till {
    std::vector<T> all;
    __attribute__((always_inline)) inline T last() const { return all.back() * 2; }
    __attribute__((always_inline)) inline T more(T n) const { return last() + n; }
    __attribute__((noinline)) T sum(T n) const {
        T s = 0;
        for (auto &it : all) s += it * more(n);
        return s;
    }
};
__attribute__((noinline)) int sorted(std::vector<int> v) {
    std::sort(v.begin(), v.end(), [](int a, int b) { return a % 10 < b % 10; });
    return v[v.size() / 2];
}
}

int main(int argc, char **argv) {
    shop::Till<int> whole{{1, 2, argc}};
    shop::Till<double> half{{0.5, 1.5, double(argc)}};
    std::map<std::string, int> names;
    for (int i = 0; i < argc; i++) names[argv[i]]++;
    std::printf("%d %f %d %zu\n", whole.sum(3), half.sum(0.5), shop::sorted(whole.all), names.size());
    return 0;
}
"#;
const TOOLS: &[&str] = &["g++", "nm", "addr2line"];

/// The frames that `addr2line` gives for each address.
fn told(shop: &Workshop, file: &str, asked: &[u64]) -> Vec<Vec<InlineFrame>> {
    let addresses = asked.iter().map(|svma| format!("{svma:#x}"));
    let words = ["-a", "-i", "-f", "-C", "-e", file].into_iter().map(str::to_owned);
    let text = shop.command("addr2line", words.chain(addresses));
    let mut answers = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("0x") {
            answers.push(Vec::new());
            continue;
        }
        let place = lines.next().expect("a place");
        let place = place.split(" (discriminator").next().expect("a place");
        let (path, number) = place.rsplit_once(':').expect("a line");
        let known = |text: &str| (!text.starts_with('?')).then(|| text.to_owned());
        let frame = InlineFrame {
            function: known(line),
            file: known(path),
            line: number.parse().ok().filter(|&line| line > 0),
        };
        answers.last_mut().expect("an address").push(frame);
    }
    answers
}

#[test]
fn functions_within_functions_are_those_of_addr2line() {
    let test = "functions_within_functions_are_those_of_addr2line";
    let Some(shop) = Workshop::new(test, TOOLS) else { return };
    shop.write("a.cc", PROGRAM);
    for options in
        ["-O2 -g", "-O2 -gdwarf-4", "-O0 -g", "-O2 -g -gz=zlib", "-O3 -g -ffunction-sections"]
    {
        shop.run(&format!("g++ {options} -o a a.cc"));
        let elf = shop.open("a");
        let lines = Lines::build(&elf, None, &LinesLimits::default()).expect("debug information");
        let names = Names::build(&elf, None, &NamesLimits::default());
        let listed = nm(&shop, "", "a");
        agree(&names, &listed);
        let own = listed.iter().filter(|it| it.name.contains("shop") || it.name == "main");
        let asked: Vec<u64> =
            own.flat_map(|it| (it.start..it.start + it.size).step_by(3)).collect();
        let (mut same, mut places, mut deep) = (0, 0, 0);
        for (svma, told) in asked.iter().zip(told(&shop, "a", &asked)) {
            let found = lines.frames(*svma);
            let place = |it: &InlineFrame| (it.file.clone().map(last), it.line);
            let all = |frames: &[InlineFrame]| frames.iter().map(place).collect::<Vec<_>>();
            places += usize::from(all(&found) == all(&told));
            let function = |it: &InlineFrame| bare(it.function.as_deref().unwrap_or_default());
            // The last function's name is the symbol's there, and what DWARF has for it here.
            let chain = |frames: &[InlineFrame]| {
                let within = frames.split_last().map_or(frames, |(_, within)| within);
                within.iter().map(function).collect::<Vec<_>>()
            };
            same += usize::from(chain(&found) == chain(&told));
            deep += usize::from(found.len() > 2);
        }
        let share = |count: usize| count as f64 / asked.len() as f64;
        println!(
            "{options}: {} addresses, {:.3} the same functions, {:.3} the same lines, {deep} deep",
            asked.len(),
            share(same),
            share(places)
        );
        // `addr2line` gives the function of the symbol where a function within it begins, and the
        // unit's file for copies of functions with constant arguments.
        assert!(asked.len() > 100 && share(same) > 0.95 && share(places) > 0.95);
        assert!(deep > 10 || options.contains("-O0"), "no function within another is found");
    }
}

/// The name without the types of arguments, which not every tool prints for every frame.
fn bare(name: &str) -> String {
    let name = name.split('(').next().unwrap_or(name);
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit([':', ' ']).next().unwrap_or(name).to_owned()
}

fn last(path: String) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

#[test]
fn what_has_no_debug_information_says_so() {
    let Some(shop) = Workshop::new("what_has_no_debug_information_says_so", &["g++"]) else {
        return;
    };
    shop.write("a.cc", "int main() { return 0; }\n");
    shop.run("g++ -o a a.cc");
    let error = Lines::build(&shop.open("a"), None, &LinesLimits::default()).err();
    assert!(matches!(error, Some(symbols::LinesError::Missing)), "{error:?}");
    shop.run("g++ -g -o a a.cc");
    let limits = LinesLimits { bytes: 100, ..LinesLimits::default() };
    let error = Lines::build(&shop.open("a"), None, &limits).err();
    assert!(matches!(error, Some(symbols::LinesError::TooLarge { max: 100 })), "{error:?}");
}

/// Debug information that was moved to another file.
#[test]
fn lines_come_from_a_debug_file_too() {
    let test = "lines_come_from_a_debug_file_too";
    let Some(shop) = Workshop::new(test, &["g++", "nm", "objcopy"]) else { return };
    shop.write("a.cc", PROGRAM);
    shop.run("g++ -O2 -g -o a a.cc");
    let main = nm(&shop, "", "a").into_iter().find(|it| it.name == "main").expect("main");
    shop.run("objcopy --only-keep-debug a a.debug");
    let whole = Lines::build(&shop.open("a"), None, &LinesLimits::default()).expect("lines");
    let apart = Lines::build(&shop.open("a.debug"), None, &LinesLimits::default()).expect("lines");
    for svma in main.start..main.start + main.size {
        assert_eq!(whole.frames(svma), apart.frames(svma), "{svma:#x}");
    }
    assert!(whole.frames(main.start).last().expect("main").function.as_deref() == Some("main"));
}

/// Rust's own names in both manglings, and functions within functions.
#[test]
fn rust_programs_have_readable_names() {
    let test = "rust_programs_have_readable_names";
    let Some(shop) = Workshop::new(test, &["rustc", "nm"]) else { return };
    shop.write(
        "a.rs",
        "mod deep { pub struct Till<T>(pub T);\n\
         impl<T: Copy + std::ops::Add<Output = T>> Till<T> {\n\
         #[inline(never)] pub fn twice(&self) -> T { self.one() + self.one() }\n\
         #[inline(always)] fn one(&self) -> T { std::hint::black_box(self.0) } } }\n\
         fn main() { println!(\"{}\", deep::Till(std::env::args().count()).twice()); }\n",
    );
    let (v0, legacy) = ("<a::deep::Till<usize>>::twice", "a::deep::Till<T>::twice");
    for (mangling, readable) in [("-C symbol-mangling-version=v0", [v0, v0]), ("", [legacy, v0])] {
        shop.run(&format!("rustc -O -g {mangling} -o a a.rs"));
        let elf = shop.open("a");
        let names = Names::build(&elf, None, &NamesLimits::default());
        agree(&names, &nm(&shop, "", "a"));
        let twice = names.iter().find(|it| readable.contains(&&*demangle(&it.name)));
        let twice = twice.unwrap_or_else(|| panic!("no {readable:?} with {mangling}"));
        let lines = Lines::build(&elf, None, &LinesLimits::default()).expect("lines");
        let frames = (0..twice.size).map(|at| lines.frames(twice.start + at));
        let within = frames.filter(|frames| {
            frames.len() > 1
                && frames
                    .iter()
                    .any(|it| it.function.as_deref().is_some_and(|it| it.ends_with("::one")))
                && frames
                    .last()
                    .and_then(|it| it.file.as_deref())
                    .is_some_and(|it| it.ends_with("a.rs"))
        });
        assert!(within.count() > 0, "{mangling}");
    }
}
