//! `FATHOM_HTTP_LISTEN=…` for `http.listen`: the environment before the file.

use super::Config;
use super::keys::Setting;
use super::problem::{Problem, suggest};

const PREFIX: &str = "FATHOM_";

/// Variables that begin the same, but are no settings: tests and xtask use them.
const OTHERS: &[&str] = &[
    "FATHOM_CONFIG",
    "FATHOM_NOT_RUN_LOG",
    "FATHOM_BIN",
    "FATHOM_CHROMIUM",
    "FATHOM_GO",
    "FATHOM_PYTHONS",
    "FATHOM_TRUTH",
    "FATHOM_TESTKIT",
    "FATHOM_VM",
    "FATHOM_REQUIRE_VM",
    "FATHOM_DEBIAN_MIRROR",
    "FATHOM_STORM",
    "FATHOM_TRUTH_OPS",
    "FATHOM_K8S_APISERVER",
    "FATHOM_ETCD",
    "FATHOM_KUBECTL",
    "FATHOM_PYTHON",
    "FATHOM_TEST_STORE",
];

/// Puts what `variables` say in place of what `config` has. One that is no setting is refused:
/// it was meant to be one.
pub(super) fn apply(
    config: &mut Config,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(), Problem> {
    let keys = super::keys();
    let names: Vec<String> = keys.iter().map(|key| name(key)).collect();
    for (variable, text) in variables {
        if !variable.starts_with(PREFIX) || OTHERS.contains(&variable.as_str()) {
            continue;
        }
        let Some(place) = names.iter().position(|name| *name == variable) else {
            let suggestion = suggest(&variable, names.iter().map(String::as_str));
            let words = format!("there is no such setting{suggestion}");
            return Err(Problem::of(format!("${variable}"), words));
        };
        let refused =
            |words: String| Problem::of_key(&format!("${variable}"), "", &keys[place], &words);
        config.set(&keys[place], &text).map_err(refused)?;
    }
    Ok(())
}

/// The variable of a key.
pub(super) fn name(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}
