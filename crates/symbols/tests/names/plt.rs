//! Stubs to other binaries' functions, against `objdump`.

use symbols::{Names, NamesLimits};

use crate::programs::Workshop;

const PROGRAM: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
    void (*volatile kept)(void *) = free;
    char *copy = malloc(strlen(argv[0]) + 1);
    strcpy(copy, argv[0]);
    puts(copy);
    kept(copy);
    free(copy);
    return atoi(argv[0]);
}
"#;

#[test]
fn stubs_have_the_names_of_what_they_lead_to() {
    let name = "stubs_have_the_names_of_what_they_lead_to";
    let Some(shop) = Workshop::new(name, &["gcc", "objdump", "strip"]) else { return };
    shop.write("a.c", PROGRAM);
    let modes = [
        "-Wl,-z,lazy -fcf-protection=none",
        "-Wl,-z,lazy -fcf-protection=full -Wl,-z,ibtplt",
        "-Wl,-z,now -fcf-protection=full",
        "-Wl,-z,now -no-pie -fcf-protection=none",
    ];
    for mode in modes {
        shop.run(&format!("gcc -O1 -fno-builtin {mode} -o a a.c"));
        shop.run("strip a");
        let names = Names::build(&shop.open("a"), None, &NamesLimits::default());
        let listing = ["-d", "-j", ".plt", "-j", ".plt.sec", "-j", ".plt.got", "a"];
        let listing = listing
            .into_iter()
            .filter(|it| !it.starts_with(".plt") || shop.open("a").section_range(it).is_some());
        let listing: Vec<&str> = listing.collect();
        // Options without their section are left over.
        let listing = listing.iter().enumerate().filter(|&(place, &it)| {
            it != "-j" || listing.get(place + 1).is_some_and(|next| next.starts_with(".plt"))
        });
        let text = shop.command("objdump", listing.map(|(_, it)| it));
        let mut stubs = 0;
        for line in text.lines() {
            let Some((start, name)) = line.split_once(" <") else { continue };
            let Some(name) = name.strip_suffix("@plt>:") else { continue };
            let Ok(start) = u64::from_str_radix(start, 16) else { continue };
            let found = names.lookup(start + 4).unwrap_or_else(|| panic!("nothing for {name}"));
            let name = name.split('@').next().unwrap_or(name);
            assert!(found.exact, "{mode}: {found:?}");
            assert_eq!(found.name, format!("{name}@plt"), "{mode}");
            assert_eq!(found.start, start, "{mode}");
            stubs += 1;
        }
        assert!(stubs >= 4, "{mode}: objdump lists {stubs} stubs: {text}");
    }
}

/// In a static program stubs lead to functions that are chosen when it starts.
#[test]
fn stubs_of_static_programs_have_names() {
    let Some(shop) = Workshop::new("stubs_of_static_programs_have_names", &["gcc"]) else { return };
    shop.write("a.c", PROGRAM);
    shop.run("gcc -O1 -fno-builtin -static -o a a.c");
    let elf = shop.open("a");
    let names = Names::build(&elf, None, &NamesLimits::default());
    let (from, size) = elf.section_range(".plt").expect("stubs");
    let stubs: Vec<_> = names.iter().filter(|it| it.name.ends_with("@plt")).collect();
    assert!(stubs.iter().any(|it| it.name == "strcpy@plt"), "{stubs:?}");
    assert!(stubs.iter().all(|it| (from..from + size).contains(&it.start)));
}
