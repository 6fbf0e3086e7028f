//! The judge: a profile against what is known of the program.

use std::collections::BTreeMap;
use std::fmt;

use super::chain::Chain;
use super::folded::{Folded, Stack};
use super::frame;

/// What a program's profile has to be.
#[derive(Debug, Clone)]
pub struct Truth {
    /// The names (`comm`) of the stacks that it is about; all where there are none.
    pub comms: &'static [&'static str],
    /// How much of the whole each has: between 0 and 1.
    pub shares: Vec<(Who, f64)>,
    /// The chain of every stack.
    pub chain: Option<Chain>,
    /// Whether only frames with names of the chain are compared with it.
    pub among: bool,
    /// Of the weight with a function of `who`, how much has a frame of that name, too:
    /// `(function, frame, least)`.
    pub under: &'static [(&'static str, &'static str, f64)],
    /// The least share of the weight of stacks in which a function that is asked about was
    /// recognised: what is missing went to starting, ending and failed stacks.
    pub least_seen: f64,
    /// The least share of these that are the chain exactly.
    pub least_exact: f64,
    /// The least share of these that reach where a stack begins.
    pub least_complete: f64,
    /// How many samples there have to be, about; a fifth of them may be missing.
    pub samples: Option<f64>,
    /// The weight of all stacks that are asked about, in nanoseconds.
    pub whole: Option<f64>,
    /// How much of it may be missing, or too much.
    pub whole_within: f64,
    /// How far off shares may be however many samples there are.
    pub shares_within: f64,
    /// How many things were observed, where a weight of one is not one of them.
    pub observed: Option<f64>,
}

/// Whose share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The function's, with everything that it calls.
    Function(&'static str),
    /// The function's own, with nothing that it calls.
    Own(&'static str),
    /// The threads' of this name.
    Thread(&'static str),
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The case.
    pub name: String,
    /// How many samples were judged, or things observed.
    pub n: u64,
    /// Of all weight, how much of it lies in stacks with a function that is asked about.
    pub seen: f64,
    /// For each share: whose, what it has to be, what it is.
    pub shares: Vec<(Who, f64, f64)>,
    /// Stacks that are the chain exactly; none where it is not known.
    pub exact: Option<f64>,
    /// Stacks that reach where a stack begins.
    pub complete: f64,
    /// Everything that is not as it has to be; empty where all is well.
    pub faults: Vec<String>,
}

/// With fewer nothing is proven.
const FEWEST: f64 = 100.0;

impl Default for Truth {
    fn default() -> Truth {
        Truth {
            comms: &[],
            shares: vec![],
            chain: None,
            among: false,
            under: &[],
            least_seen: 0.97,
            least_exact: 0.98,
            least_complete: 0.95,
            samples: None,
            whole: None,
            whole_within: 0.1,
            shares_within: 0.02,
            observed: None,
        }
    }
}

impl Truth {
    /// Compares a profile with this; `name` is the case's.
    pub fn judge(&self, name: &str, profile: &Folded) -> Judged {
        let all = profile.of(self.comms);
        let seen =
            Folded { stacks: all.stacks.iter().filter(|it| self.sees(it)).cloned().collect() };
        let of_seen = |is: &dyn Fn(&Stack) -> bool| share(&seen, is);
        let is_chain = |chain: &Chain, stack: &Stack| match self.among {
            true => chain.matches_among(&stack.frames),
            false => chain.matches(&stack.frames),
        };
        let shares = self.shares.iter();
        let mut judged = Judged {
            name: name.to_string(),
            n: self.observed.map_or(seen.total(), |it| it as u64),
            seen: seen.total() as f64 / all.total().max(1) as f64,
            shares: shares.map(|(who, truth)| (*who, *truth, of_seen(&|it| who.has(it)))).collect(),
            exact: self.chain.as_ref().map(|chain| of_seen(&|stack| is_chain(chain, stack))),
            complete: of_seen(&is_complete),
            faults: self.unlikely_shares(&seen),
        };
        judged.faults.splice(0..0, self.faults(&judged, &seen));
        if judged.is_good() {
            return judged;
        }
        if judged.exact.is_some_and(|exact| exact < self.least_exact) {
            let wrong = |it: &&Stack| !self.chain.as_ref().is_some_and(|chain| is_chain(chain, it));
            judged.faults.extend(usual(seen.stacks.iter().filter(wrong)));
        } else if judged.seen < self.least_seen {
            judged.faults.extend(usual(all.stacks.iter().filter(|it| !self.sees(it))));
        }
        judged
    }

    /// How far a share of `p` may be from what it has to be: [`Truth::shares_within`], or three standard
    /// errors.
    pub fn slack(&self, p: f64, n: u64) -> f64 {
        let n = self.observed.unwrap_or(n as f64).max(1.0);
        (3.0 * (p * (1.0 - p) / n).sqrt()).max(self.shares_within)
    }

    /// Whether a function that is asked about is in the stack, or the chain's innermost.
    fn sees(&self, stack: &Stack) -> bool {
        let first = self.chain.iter().filter_map(Chain::innermost).flatten();
        let asked = self.shares.iter().filter_map(|(who, _)| who.function());
        let mut names = first.copied().chain(asked).peekable();
        names.peek().is_none()
            || names.any(|name| stack.frames.iter().any(|it| frame::has_word(it, name)))
    }

    /// Shares that are further off than they may be.
    fn unlikely_shares(&self, seen: &Folded) -> Vec<String> {
        let unlikely = |(who, truth): &(Who, f64)| {
            let (is, slack) = (share(seen, &|it| who.has(it)), self.slack(*truth, seen.total()));
            let [is_text, truth_text, slack_text] = [is, *truth, slack].map(percent);
            ((is - truth).abs() > slack)
                .then(|| format!("{who} {is_text}, has to be {truth_text} ± {slack_text}"))
        };
        self.shares.iter().filter_map(unlikely).collect()
    }

    fn faults(&self, judged: &Judged, seen: &Folded) -> Vec<String> {
        let mut faults = vec![];
        let n = self.observed.unwrap_or(judged.n as f64).max(1.0);
        let mut least = |what: &str, is: f64, least: f64| {
            // Of a few samples it may be less by chance.
            let by_chance = 3.0 * (least * (1.0 - least) / n).sqrt();
            if is + by_chance < least {
                faults.push(format!("{what} {} < {}", percent(is), percent(least)));
            }
        };
        least("seen", judged.seen, self.least_seen);
        least("exact", judged.exact.unwrap_or(1.0), self.least_exact);
        least("complete", judged.complete, self.least_complete);
        for (function, inner, least_of_it) in self.under {
            let has = |stack: &Stack, name| stack.frames.iter().any(|it| frame::has_word(it, name));
            let with: Vec<Stack> =
                seen.stacks.iter().filter(|it| has(it, function)).cloned().collect();
            let under = share(&Folded { stacks: with }, &|stack| has(stack, inner));
            least(&format!("{inner} under {function}"), under, *least_of_it);
        }
        if let Some(whole) = self.whole {
            let of_it = seen.total() as f64 / whole;
            if (of_it - 1.0).abs() > self.whole_within {
                faults.push(format!("{} of the time that it took", percent(of_it)));
            }
        }
        let n = self.observed.unwrap_or(judged.n as f64);
        let fewest = self.samples.map_or(FEWEST, |samples| FEWEST.min(0.8 * samples));
        if n < fewest {
            faults.push(format!("{n} samples prove nothing"));
        }
        if self.samples.is_some_and(|samples| n < 0.8 * samples) {
            faults.push(format!("{n} samples of about {:.0}", self.samples.unwrap_or_default()));
        }
        faults
    }
}

impl Who {
    fn has(self, stack: &Stack) -> bool {
        match self {
            Who::Function(name) => stack.frames.iter().any(|it| frame::has_word(it, name)),
            Who::Own(name) => stack.frames.last().is_some_and(|it| frame::has_word(it, name)),
            Who::Thread(name) => stack.comm == name,
        }
    }

    fn function(self) -> Option<&'static str> {
        match self {
            Who::Function(name) | Who::Own(name) => Some(name),
            Who::Thread(_) => None,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Function(name) | Who::Thread(name) => f.write_str(name),
            Who::Own(name) => write!(f, "{name} itself"),
        }
    }
}

impl Judged {
    /// Whether everything is as it has to be.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    /// This, or where something is wrong, what a second run gives. Samples are drawn by chance: of
    /// hundreds of shares one is more than three standard errors off in every other run of all
    /// cases. What is wrong of itself is so twice.
    pub fn or_again(
        self,
        again: impl FnOnce() -> anyhow::Result<Judged>,
    ) -> anyhow::Result<Judged> {
        if self.is_good() {
            return Ok(self);
        }
        println!("again: {}: {}", self.name, self.faults.join("; "));
        again()
    }
}

/// Whether the stack begins where one does.
fn is_complete(stack: &Stack) -> bool {
    stack.frames.first().is_some_and(|outermost| frame::is_root(outermost))
}

/// The share of the weight of complete stacks in a profile.
pub fn complete(profile: &Folded) -> f64 {
    share(profile, &is_complete)
}

fn share(profile: &Folded, is: &dyn Fn(&Stack) -> bool) -> f64 {
    let of: u64 = profile.stacks.iter().filter(|it| is(it)).map(|stack| stack.weight).sum();
    of as f64 / profile.total().max(1) as f64
}

/// The heaviest of some stacks, for a message, innermost first and shortened.
fn usual<'a>(stacks: impl Iterator<Item = &'a Stack>) -> Option<String> {
    const SHOWN: usize = 30;
    let mut weights: BTreeMap<&[String], u64> = BTreeMap::new();
    for stack in stacks {
        *weights.entry(&stack.frames).or_default() += stack.weight;
    }
    let (frames, weight) = weights.into_iter().max_by_key(|(_, weight)| *weight)?;
    let inwards: Vec<&str> = frames.iter().rev().take(SHOWN).map(String::as_str).collect();
    let rest = if frames.len() > SHOWN { " …" } else { "" };
    Some(format!("{weight} times: {}{rest}", inwards.join(" < ")))
}

/// The table of what was judged, as Markdown, and below it what is wrong.
pub fn table(judged: &[Judged]) -> String {
    let head = ["case", "n", "shares (truth)", "exact chain", "whole stacks", "verdict"];
    let mut rows = vec![head.map(str::to_string)];
    rows.extend(judged.iter().map(|it| {
        let share = |(who, truth, is): &(Who, f64, f64)| {
            format!("{who} {:.1} ({:.0})", 100.0 * is, 100.0 * truth)
        };
        let shares: Vec<String> = it.shares.iter().map(share).collect();
        let exact = it.exact.map_or("-".to_string(), percent);
        let verdict = if it.is_good() { "good" } else { "WRONG" };
        let n = it.n.to_string();
        [it.name.clone(), n, shares.join(", "), exact, percent(it.complete), verdict.to_string()]
    }));
    let widths: Vec<usize> = (0..head.len())
        .map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0))
        .collect();
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!(" {cell:width$} |"));
            format!("|{}\n", cells.collect::<String>())
        })
        .collect();
    let rule = widths.iter().map(|width| format!("{}|", "-".repeat(width + 2)));
    lines.insert(1, format!("|{}\n", rule.collect::<String>()));
    let wrong = judged.iter().flat_map(|it| it.faults.iter().map(|fault| (&it.name, fault)));
    let wrong: Vec<String> = wrong.map(|(name, fault)| format!("{name}: {fault}\n")).collect();
    if !wrong.is_empty() {
        lines.push("\n".to_string());
    }
    lines.into_iter().chain(wrong).collect()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth() -> Truth {
        let shares = [("hot_a", 0.7), ("hot_b", 0.2), ("hot_c", 0.1)];
        Truth {
            shares: shares.map(|(name, share)| (Who::Function(name), share)).to_vec(),
            chain: Some(Chain::parse("leaf hot_a|hot_b|hot_c rec*2 main")),
            ..Truth::default()
        }
    }

    fn profile(a: u64, b: u64, c: u64, more: &str) -> Folded {
        let line = |name, n| format!("x;_start;main;rec;rec;{name};leaf {n}\n");
        let text = line("hot_a", a) + &line("hot_b", b) + &line("hot_c", c) + more;
        Folded::parse(&text).unwrap()
    }

    #[test]
    fn what_is_right_is_good() {
        let judged = truth().judge("right", &profile(7010, 1990, 1000, "x;_start;_dl_main 3\n"));
        assert!(judged.is_good(), "{:?}", judged.faults);
        assert_eq!((judged.n, judged.exact), (10_000, Some(1.0)));
        assert!(judged.seen > 0.999 && judged.seen < 1.0);
    }

    #[test]
    fn each_wrong_is_found() {
        let fault = |profile: &Folded| truth().judge("wrong", profile).faults.join("; ");
        assert!(fault(&profile(6700, 2300, 1000, "")).contains("hot_a 67.0 %, has to be 70.0 %"));
        // Three standard errors of 100 samples are more than that.
        assert_eq!(fault(&profile(67, 23, 10, "")), "");
        assert!(fault(&profile(7, 2, 1, "")).contains("prove nothing"));
        // As with shares, a little may be chance.
        assert_eq!(fault(&profile(700, 200, 100, "x;leaf 30\n")), "");
        assert!(fault(&profile(700, 200, 100, "x;leaf 50\n")).contains("exact 95.2 %"));
        assert!(fault(&profile(700, 200, 100, "x;leaf 50\n")).contains("50 times: leaf"));
        assert!(fault(&profile(700, 200, 100, "x;[unknown] 100\n")).contains("seen 90.9 %"));
        let torn = "x;main;rec;rec;hot_a;leaf 100\n";
        assert!(fault(&profile(600, 200, 100, torn)).contains("complete 90.0 %"));
        let few = Truth { samples: Some(500.0), ..truth() };
        let faults = few.judge("few", &profile(210, 60, 30, "")).faults;
        assert_eq!(faults, ["300 samples of about 500"]);
    }

    #[test]
    fn threads_and_what_is_under_a_function_are_asked_for() {
        let text =
            "a;_start;hot;vfs_read_[k] 700\na;_start;hot 300\nb;_start;hot;vfs_read_[k] 1000\n";
        let truth = Truth {
            shares: vec![(Who::Thread("a"), 0.5), (Who::Own("vfs_read"), 0.85)],
            under: &[("hot", "vfs_read", 0.9)],
            ..Truth::default()
        };
        let mut judged = truth.judge("t", &Folded::parse(text).unwrap());
        assert_eq!(judged.seen, 0.85, "only who has a function that is asked about");
        judged.faults.retain(|fault| !fault.starts_with("seen"));
        assert!(judged.faults[0].starts_with("a 41.2 %"), "{:?}", judged.faults);
        let only = Truth { comms: &["a"], under: &[("hot", "vfs_read", 0.9)], ..Truth::default() };
        let judged = only.judge("t", &Folded::parse(text).unwrap());
        assert_eq!(judged.faults, ["vfs_read under hot 70.0 % < 90.0 %"]);
    }

    #[test]
    fn the_table_can_be_read() {
        let right = truth().judge("right", &profile(700, 200, 100, ""));
        let wrong = truth().judge("wrong", &profile(500, 400, 100, ""));
        let text = table(&[right, wrong]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].contains("| hot_a 70.0 (70), hot_b 20.0 (20), hot_c 10.0 (10) | 100.0 %"));
        assert!(lines[3].ends_with("| WRONG   |") && lines[1].starts_with("|---"), "{text}");
        assert!(text.contains("wrong: hot_a 50.0 %, has to be 70.0 % ± 4.3 %"), "{text}");
    }
}
