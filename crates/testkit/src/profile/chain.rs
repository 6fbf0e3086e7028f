//! Chains of calls that a stack has to be.
//!
//! Written innermost first, as words: `leaf` is a function; `a|b` one of them; `rec*20` so many
//! calls of it; `a?` it or nothing; `?3` up to three frames of any name.

use super::frame;

/// What a stack has to be, from its innermost frame to its `main`; what lies outwards is free.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    links: Vec<Link>,
}

#[derive(Debug, Clone, PartialEq)]
struct Link {
    /// One of these; any where there are none.
    names: Vec<&'static str>,
    least: usize,
    most: usize,
}

impl Chain {
    /// Reads a chain; it stands in our own tables, so what is wrong in it is a mistake of ours.
    pub fn parse(text: &'static str) -> Chain {
        Chain { links: text.split_whitespace().map(Link::parse).collect() }
    }

    /// Whether the stack `frames` (outermost first) is this chain, the kernel's frames left out.
    pub fn matches(&self, frames: &[String]) -> bool {
        let own = frames.iter().position(|it| frame::is_kernel(it)).unwrap_or(frames.len());
        let inwards: Vec<&str> = frames[..own].iter().rev().map(String::as_str).collect();
        matches(&self.links, &inwards)
    }

    /// The same where only frames count that have one of the chain's names: an interpreter's own
    /// functions may stand between those of the program that it runs.
    pub fn matches_among(&self, frames: &[String]) -> bool {
        let known = |it: &&String| self.names().any(|name| frame::has_word(it, name));
        self.matches(&frames.iter().filter(known).cloned().collect::<Vec<_>>())
    }

    /// The names that its innermost frame may have; none where it may have any.
    pub fn innermost(&self) -> Option<&[&'static str]> {
        self.links.first().map(|link| link.names.as_slice())
    }

    /// All names in it.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.links.iter().flat_map(|link| link.names.iter().copied())
    }
}

impl Link {
    fn parse(word: &'static str) -> Link {
        if let Some(most) = word.strip_prefix('?') {
            return Link { names: vec![], least: 0, most: most.parse().unwrap_or(1) };
        }
        let (names, times) = word.split_once('*').unwrap_or((word, "1"));
        let times = times.parse().unwrap_or(1);
        let (names, least) = names.strip_suffix('?').map_or((names, times), |names| (names, 0));
        Link { names: names.split('|').collect(), least, most: times }
    }

    fn is(&self, frame: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| frame::has_word(frame, name))
    }
}

fn matches(links: &[Link], frames: &[&str]) -> bool {
    let Some((link, rest)) = links.split_first() else { return true };
    let fitting = frames.iter().take(link.most).take_while(|frame| link.is(frame)).count();
    // As many as possible first, then fewer: another link may want what this one took.
    let counts = (link.least..=fitting).rev();
    counts.filter(|_| fitting >= link.least).any(|count| matches(rest, &frames[count..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: &str = "leaf hot_a|hot_b dispatch rec*3 main";

    /// A stack, outermost first, of words that are innermost first.
    fn stack(words: &str) -> Vec<String> {
        let times = |word: &str| {
            let (name, times) = word.split_once('*').unwrap_or((word, "1"));
            vec![name.to_string(); times.parse().unwrap_or(1)]
        };
        let mut frames: Vec<String> = words.split_whitespace().flat_map(times).collect();
        frames.push("_start".to_string());
        frames.reverse();
        frames
    }

    #[test]
    fn a_whole_stack_is_the_chain() {
        let chain = Chain::parse(CHAIN);
        for good in [
            "leaf hot_a dispatch rec*3 main",
            "work::leaf(int) work::hot_b(int) dispatch rec*3 main __libc_start_call_main",
            "vfs_read_[k] do_syscall_64 leaf hot_a dispatch rec*3 main",
            "asm_sysvec_apic_timer_interrupt leaf hot_a dispatch rec*3 main",
        ] {
            assert!(chain.matches(&stack(good)), "{good}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        let chain = Chain::parse(CHAIN);
        for bad in [
            "leaf",
            "leaf hot_a dispatch rec*2 main",
            "leaf hot_a dispatch rec*4 main",
            "leaf dispatch rec*3 main",
            "leaf hot_a dispatch rec*3",
            "memcpy leaf hot_a dispatch rec*3 main",
            "leaf [unknown] hot_a dispatch rec*3 main",
            "leaf hot_c dispatch rec*3 main",
        ] {
            assert!(!chain.matches(&stack(bad)), "{bad}");
        }
    }

    #[test]
    fn what_may_be_there_may_be_there() {
        let chain = Chain::parse("?2 tail? hot_a main");
        for good in ["hot_a main", "x y tail hot_a main", "tail hot_a main", "x hot_a main"] {
            assert!(chain.matches(&stack(good)), "{good}");
        }
        assert!(!chain.matches(&stack("x y z hot_a main")));
        assert!(!chain.matches(&stack("x y tail tail hot_a main")));
    }

    #[test]
    fn an_interpreter_may_be_between() {
        let chain = Chain::parse("leaf hot_a rec*2");
        let frames = stack("leaf eval hot_a eval list_sort rec eval rec eval main");
        assert!(chain.matches_among(&frames) && !chain.matches(&frames));
        assert!(!chain.matches_among(&stack("leaf eval hot_a eval rec eval main")));
    }
}
