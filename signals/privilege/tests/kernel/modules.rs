//! The kernel's modules.

use std::fs;

use testkit::watch::not_run;

use crate::script::run;

#[test]
fn which_modules_are_tried() {
    let test = "which_modules_are_tried";
    let words = [
        "175 @0 16 'a=b'",    // init_module of zeros
        "2 '/proc/self/exe'", // r1: open
        "313 r1 'x=1' 1",     // finit_module of what is no module
        "313 99 '' 0",
        "176 'nosuch' 2048", // delete_module
    ];
    let Some(ran) = run(test, &words) else { return };
    let error = |at: usize| -ran.results[at];
    let exe = ran.program.display();
    let expected = [
        format!("module_load call=init_module args=a=b flags=0 error={}", error(0)),
        format!(
            "module_load call=finit_module fd=3 path_resolved={exe} args=x=1 flags=1 error={}",
            error(2)
        ),
        format!("module_load call=finit_module fd=99 flags=0 error={}", error(3)),
        format!("module_load call=delete_module name=nosuch flags=2048 error={}", error(4)),
    ];
    assert_eq!(ran.lines(), expected);
}

/// Only in a guest: on a machine of somebody's no module is to come or go.
#[test]
fn a_module_is_named_by_the_kernel() {
    let test = "a_module_is_named_by_the_kernel";
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc is mounted");
    let file = fs::canonicalize(format!("/lib/modules/{}/dummy.ko", release.trim()));
    let (Some(_), Ok(file)) = (std::env::var_os("FATHOM_VM"), file) else {
        return not_run(test, "not in a guest that has the module `dummy`");
    };
    let file = file.display();
    let open = format!("2 '{file}'");
    let words = [
        "176 'dummy' 2048",        // delete_module: it was there from the start
        &open,                     // r1
        "313 r1 'numdummies=0' 0", // finit_module
        "313 r1 'numdummies=0' 0", // twice
        "176 'dummy' 2048",
        "176 'dummy' 2048", // twice
        "313 r1 '' 0",      // as it was
    ];
    let Some(ran) = run(test, &words) else { return };
    let expected = [
        "module_load call=delete_module name=dummy flags=2048".to_string(),
        format!(
            "module_load call=finit_module name=dummy fd=3 path_resolved={file} args=numdummies=0 flags=0"
        ),
        format!(
            "module_load call=finit_module fd=3 path_resolved={file} args=numdummies=0 flags=0 error=17"
        ),
        "module_load call=delete_module name=dummy flags=2048".to_string(),
        "module_load call=delete_module name=dummy flags=2048 error=2".to_string(),
        format!("module_load call=finit_module name=dummy fd=3 path_resolved={file} flags=0"),
    ];
    assert_eq!(ran.lines(), expected);
    for hook in ["names of modules loaded", "names of modules unloaded"] {
        assert_eq!(ran.watch.mechanism(hook), "tp_btf", "{hook}");
    }
}
