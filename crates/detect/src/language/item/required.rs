//! What a file needs: the version of the engine, and plugins.

use super::super::diagnostic::code;
use super::super::keys::Keys;
use super::super::near::did_you_mean;
use super::super::report::Report;
use super::super::traced::Traced;
use super::super::version::{ENGINE, PLUGINS, Version};
use super::super::yaml::{Content, Node};

/// `required_engine_version`.
pub(super) fn engine(keys: &Keys<'_>, report: &mut Report) {
    keys.check(&["required_engine_version"], report);
    let Some(text) = keys.text("required_engine_version", report) else { return };
    let Some(needed) = Version::of_engine(text.text()) else {
        let message = format!("`{}` is not the version of an engine", text.text());
        report
            .error(code::YAML_VALIDATE, text.home(), "", message)
            .help("a version has three numbers: `0.57.0`");
        return;
    };
    if !ENGINE.serves(needed) {
        let message =
            format!("these rules need version {needed} of Falco's engine, and this is {ENGINE}");
        report.error(code::VALIDATE, text.home(), "", message);
    }
}

/// `required_plugin_versions`.
pub(super) fn plugins(keys: &Keys<'_>, report: &mut Report) {
    keys.check(&["required_plugin_versions"], report);
    let Some(node) = keys.get("required_plugin_versions") else { return };
    let Some(plugins) = sequence(node, "required_plugin_versions", report) else { return };
    for plugin in plugins {
        // A complaint was made where there is none.
        let _ = required(plugin, report);
    }
}

fn required(node: &Node, report: &mut Report) -> Option<()> {
    let (keys, first) = alternative(node, &["name", "version", "alternatives"], report)?;
    let mut alternatives = vec![first];
    if let Some(node) = keys.get("alternatives") {
        for node in sequence(node, "alternatives", report)? {
            let (keys, next) = alternative(node, &["name", "version"], report)?;
            if alternatives.iter().any(|(name, _)| name.text() == next.0.text()) {
                let message =
                    format!("two versions of the plugin `{}` are asked for", next.0.text());
                report.error(code::VALIDATE, keys.place, "", message);
                return None;
            }
            alternatives.push(next);
        }
    }
    let here = |name: &str| PLUGINS.iter().find(|(own, _)| *own == name);
    let served = alternatives.iter().any(|(name, needed)| {
        here(name.text()).is_some_and(|(_, version)| version.serves(*needed))
    });
    if served {
        return Some(());
    }
    let asked: Vec<String> =
        alternatives.iter().map(|(name, needed)| format!("{} {needed}", name.text())).collect();
    let (name, _) = &alternatives[0];
    let message = match here(name.text()) {
        Some((_, version)) => {
            format!("these rules need the plugin {}, and this is {version}", asked.join(" or "))
        }
        None => format!("these rules need the plugin {}, which is not here", asked.join(" or ")),
    };
    report.error(code::VALIDATE, name.home(), "", message).help(match here(name.text()) {
        Some(_) => String::new(),
        None => did_you_mean(name.text(), PLUGINS.map(|(name, _)| name)),
    });
    None
}

fn alternative<'a>(
    node: &'a Node,
    known: &[&str],
    report: &mut Report,
) -> Option<(Keys<'a>, (&'a Traced, Version))> {
    let keys = Keys::of(node, "", report)?;
    keys.check(known, report);
    let name = keys.text("name", report)?;
    let version = keys.text("version", report)?;
    let Some(needed) = Version::parse(version.text()) else {
        let message = format!("`{}` is not a version", version.text());
        report
            .error(code::VALIDATE, version.home(), "", message)
            .help("a version has three numbers: `0.4.0`");
        return None;
    };
    Some((keys, (name, needed)))
}

fn sequence<'a>(node: &'a Node, key: &str, report: &mut Report) -> Option<&'a [Node]> {
    match &node.content {
        Content::List(nodes) => Some(nodes),
        _ => {
            let message = format!("`{key}` takes a list, not {}", node.kind());
            report.error(code::YAML_VALIDATE, &node.place, "", message);
            None
        }
    }
}
