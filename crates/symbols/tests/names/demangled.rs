//! Readable names, against `c++filt`, and hostile ones.

use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use symbols::{Names, NamesLimits, demangle};
use testkit::rng::Rng;
use testkit::watch::not_run;

use crate::programs::{Workshop, open};

/// Libraries of C++ with names of all kinds.
const LIBRARIES: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1"];

fn cpp_names() -> Vec<String> {
    let mut found = HashSet::new();
    for path in LIBRARIES {
        if std::fs::metadata(path).is_err() {
            continue;
        }
        let names = Names::build(&open(path.as_ref()), None, &NamesLimits::default());
        let mangled = names.iter().filter(|it| it.name.starts_with("_Z") && !it.name.contains('@'));
        found.extend(mangled.map(|it| it.name.to_owned()));
    }
    let mut found: Vec<String> = found.into_iter().collect();
    found.sort();
    found
}

#[test]
fn cpp_names_read_as_those_of_the_compiler() {
    let test = "cpp_names_read_as_those_of_the_compiler";
    let Some(_) = Workshop::new(test, &["c++filt"]) else { return };
    let names = cpp_names();
    if names.is_empty() {
        return not_run(test, "no library of C++ is installed");
    }
    let step = (names.len() / 20_000).max(1);
    let names: Vec<String> = names.into_iter().step_by(step).collect();
    let mut filter = Command::new("c++filt");
    filter.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut filter = filter.spawn().expect("c++filt");
    let mut input = filter.stdin.take().expect("its input");
    let text: String = names.iter().map(|name| format!("{name}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = filter.wait_with_output().expect("c++filt");
    writer.join().expect("a thread").expect("written");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    // Blanks, and whether a number without a sign says that it has none, are matters of taste.
    let plain = |name: &str| {
        let mut plain = String::new();
        for sign in name.chars().filter(|&sign| sign != ' ') {
            if matches!(sign, ',' | '>') {
                let number = plain.trim_end_matches(['u', 'l']);
                if number.ends_with(|last: char| last.is_ascii_digit()) {
                    plain.truncate(number.len());
                }
            }
            plain.push(sign);
        }
        plain
    };
    let (mut same, mut readable) = (0, 0);
    let mut longest = Duration::ZERO;
    for (mangled, told) in names.iter().zip(told.lines()) {
        let started = Instant::now();
        let ours = demangle(mangled);
        longest = longest.max(started.elapsed());
        same += usize::from(plain(&ours) == plain(told));
        readable += usize::from(ours != *mangled);
    }
    let share = |count: usize| count as f64 / names.len() as f64;
    println!(
        "{} names: {:.4} readable, {:.4} the same, longest {longest:?}",
        names.len(),
        share(readable),
        share(same)
    );
    assert!(share(readable) > 0.995 && share(same) > 0.95);
}

/// Names that refer to themselves, nest, and are damaged: each is answered at once.
#[test]
fn hostile_names_are_answered_at_once() {
    let mut rng = Rng::new(6);
    let mut hostile = vec![
        format!("_Z1f{}i", "P".repeat(8000)),
        format!("_Z1f{}", "St".repeat(4000)),
        format!("_Z{}1f", "N".repeat(8000)),
        format!("_Z1fI{}E", "I".repeat(4000)),
        format!("_Z1fIJ{}EEvv", "J".repeat(3000)),
        format!("_ZN{}E", "1a".repeat(4000)),
        format!("_RNv{}", "N".repeat(8000)),
        format!("_R{}", "I".repeat(8000)),
        format!("_RNvC1a{}", "B_".repeat(1000)),
        format!("_RY{}", "B0_".repeat(2000)),
    ];
    // Each part says the one before it twice: 2^60 words.
    let mut doubled = String::from("_Z1fSt4pairIiiE");
    for number in 0..60 {
        let part = match number {
            0 => "S0_".to_owned(),
            _ => format!("S{}_", base36(number)),
        };
        doubled.push_str(&format!("St4pairI{part}{part}E"));
    }
    hostile.push(doubled);
    let mut rust = String::from("_RINvC1a1f");
    for number in 0..40 {
        rust.push_str(&format!("TB{number}_B{number}_E"));
    }
    rust.push('E');
    hostile.push(rust);
    let mut seeds = cpp_names();
    seeds.sort_by_key(|name| std::cmp::Reverse(name.len()));
    seeds.truncate(200);
    seeds.push("_RINvNtC3std3mem8align_ofINtNtC3std6option6OptiondEE".to_owned());
    seeds.push("_ZN4core3fmt9Formatter9write_fmt17h0123456789abcdefE".to_owned());
    seeds.push("_ZNSt3mapISsiSt4lessISsESaISt4pairIKSsiEEEixERS3_".to_owned());
    for _ in 0..10_000 {
        let mut name = rng.pick(&seeds).clone().into_bytes();
        for _ in 0..1 + rng.below(6) {
            let at = 2 + rng.below(name.len() - 2);
            match rng.below(3) {
                0 => name[at] = *rng.pick(b"SNIETJDpXLZ_0123456789RKPsaBC"),
                1 => drop(name.remove(at)),
                _ => {
                    let from = 2 + rng.below(name.len() - 2);
                    let part = name[from..(from + rng.below(20)).min(name.len())].to_vec();
                    drop(name.splice(at..at, part));
                }
            }
        }
        hostile.extend(String::from_utf8(name));
    }
    let mut longest = (Duration::ZERO, String::new());
    for name in hostile {
        let started = Instant::now();
        let readable = demangle(&name);
        assert!(readable.len() <= 16 * 1024 || readable == name);
        if started.elapsed() > longest.0 {
            longest = (started.elapsed(), name);
        }
    }
    println!("the longest took {:?}: {:.100}", longest.0, longest.1);
    assert!(longest.0 < Duration::from_secs(1), "{longest:?}");
}

fn base36(mut number: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut digits = Vec::new();
    loop {
        digits.insert(0, DIGITS[number % 36]);
        number /= 36;
        if number == 0 {
            return String::from_utf8(digits).expect("digits");
        }
    }
}
