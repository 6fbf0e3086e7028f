//! The page in a real browser: its script runs under its own policy, and names stay names.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use flame::html::{self, Page};
use flame::{Frame, Profile, Values};

mod made;

#[test]
fn the_script_runs() {
    let mut page = Vec::new();
    html::write(&made::profile(), &Page::default(), &mut page).unwrap();
    let Some(dom) = dom("the_script_runs", &page) else { return };
    for part in [
        "1.01 s of CPU time · 102 samples · in 10.0 s  ·  3 samples lost",
        "every pod</option>",
        ">engine-7</option>",
        "off-cpu</option>",
        "python</span>",
    ] {
        assert!(dom.contains(part), "{part} is not in {dom}");
    }
    let mut page = Vec::new();
    html::write_diff(&made::profile(), &made::profile(), &Page::default(), &mut page).unwrap();
    let dom = self::dom("the_script_runs", &page).unwrap();
    assert!(dom.contains("before: 1.01 s") && dom.contains("shrank</span>"), "{dom}");
}

#[test]
fn hostile_names_do_nothing() {
    let mut profile = Profile::default();
    let names = [
        "</script><script>document.title='owned'</script>",
        "<img src=x onerror=\"document.title='owned'\">",
        "</title><svg onload=\"document.title='owned'\">",
        "__proto__",
        "constructor",
    ];
    for name in names {
        let frame = profile.frame(Frame { function: name.into(), ..Frame::default() });
        let stack = profile.stack([frame]);
        let labels = profile.labels([(name, name.into()), ("comm", name.into())]);
        profile.add(stack, labels, Values::cpu(1, 1));
    }
    let page = Page { title: names[2].into(), ..Page::default() };
    let mut bytes = Vec::new();
    html::write(&profile, &page, &mut bytes).unwrap();
    let Some(dom) = dom("hostile_names_do_nothing", &bytes) else { return };
    assert!(dom.contains("5 ns of CPU time"), "the script did not run: {dom}");
    assert!(!dom.contains("<title>owned"), "{dom}");
    assert!(!dom.contains("<img") && !dom.contains("<svg"), "{dom}");
}

/// The page as the browser has it after its script ran.
fn dom(test: &str, page: &[u8]) -> Option<String> {
    let browser = std::env::var_os("FATHOM_CHROMIUM");
    let browser = browser.map_or_else(|| PathBuf::from("chromium"), PathBuf::from);
    if let Err(error) = Command::new(&browser).arg("--version").stdout(Stdio::null()).status() {
        not_run(test, &format!("{}: {error}", browser.display()));
        return None;
    }
    let folder = std::env::temp_dir().join(format!("flame-{test}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("page.html");
    std::fs::write(&path, page).unwrap();
    let output = Command::new("timeout")
        .arg("60")
        .arg(&browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("file://{}", path.display()))
        .output()
        .unwrap();
    // The browser's last children may still write there; a folder left behind breaks nothing.
    let _ = std::fs::remove_dir_all(&folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Says that a test could not run: it must not count as passed.
fn not_run(name: &str, reason: &str) {
    println!("not run: {name}: {reason}");
    let Ok(path) = std::env::var("FATHOM_NOT_RUN_LOG") else { return };
    let mut log = std::fs::File::options().append(true).create(true).open(path).unwrap();
    writeln!(log, "{name}: {reason}").unwrap();
}
