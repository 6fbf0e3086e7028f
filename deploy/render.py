#!/usr/bin/env python3
"""Writes deploy/manifests from deploy/chart, with Helm's own code.

    pip install helm-python-sdk==0.2.2
    deploy/render.py            # lint the chart, write the manifests
    deploy/render.py --check    # lint the chart; fail where the manifests are not what it gives

The manifests are in git so that kubectl is all that a cluster's owner needs.
"""

import difflib
import pathlib
import sys

import helm_python

HERE = pathlib.Path(__file__).resolve().parent
CHART = HERE / "chart"

# What is applied first comes first.
BASE = ["namespace", "priority", "access", "config", "daemonset"]
POLICY = {"admissionPolicy": {"enabled": True}}
MANIFESTS = {
    "fathom.yaml": (BASE, {"createNamespace": True}),
    "admission-policy.yaml": (["admission-policy"], POLICY),
}
HEAD = "# Written by deploy/render.py from deploy/chart: change that, not this.\n"


def lint():
    """What `helm lint --strict` would say."""
    for values in ({}, POLICY, {"runtimeSocketDirectory": "/run/containerd"}):
        report = helm_python.lint(CHART, values, strict=True, namespace="fathom")
        said = [it["error"] for it in report["messages"] if it["severity"] > 1] + report["errors"]
        if said:
            sys.exit("the chart is not right: " + "; ".join(said))


def rendered(templates, values):
    with helm_python.Chart.load(CHART) as chart:
        # Labels say who looks after an object: whoever applies a manifest, not Helm.
        given = chart.render(values, name="fathom", namespace="fathom")
    texts = [given[f"fathom/templates/{name}.yaml"].strip("\n") for name in templates]
    text = HEAD + "\n---\n".join(texts) + "\n"
    return text.replace("app.kubernetes.io/managed-by: Helm", "app.kubernetes.io/managed-by: kubectl")


def main():
    lint()
    stale = False
    for name, (templates, values) in MANIFESTS.items():
        path, text = HERE / "manifests" / name, rendered(templates, values)
        if sys.argv[1:] != ["--check"]:
            path.write_text(text)
            continue
        kept = path.read_text() if path.exists() else ""
        difference = difflib.unified_diff(
            kept.splitlines(True), text.splitlines(True), f"manifests/{name}", "the chart"
        )
        difference = "".join(difference)
        print(difference, end="")
        stale |= bool(difference)
    if stale:
        sys.exit("deploy/manifests are not what the chart gives: run deploy/render.py")


if __name__ == "__main__":
    main()
