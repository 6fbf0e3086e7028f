//! "Did you mean": the nearest right word to a wrong one.

/// The word of `known` nearest to `wrong`, if one is near enough to be meant.
pub(crate) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A third of the letters may be wrong; below that any short word would fit any other.
    let limit = (wrong.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|word| (distance(wrong, word), word))
        .filter(|(distance, word)| {
            *distance <= limit || (wrong.len() > 1 && word.starts_with(wrong))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `; did you mean "x"?` or nothing.
pub(crate) fn hint<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, known).map(|word| format!("; did you mean \"{word}\"?")).unwrap_or_default()
}

/// Edit distance in which swapping two neighbours counts once, as fingers do it.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let width = right.len() + 1;
    let mut cost = vec![0; (left.len() + 1) * width];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            let at = |i: usize, j: usize| i * width + j;
            cost[at(i, j)] = if i == 0 || j == 0 {
                i + j
            } else {
                let differs = usize::from(left[i - 1] != right[j - 1]);
                let mut best = (cost[at(i - 1, j)] + 1)
                    .min(cost[at(i, j - 1)] + 1)
                    .min(cost[at(i - 1, j - 1)] + differs);
                if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                    best = best.min(cost[at(i - 2, j - 2)] + 1);
                }
                best
            };
        }
    }
    cost[left.len() * width + right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word() {
        let known = ["setup", "demo", "test", "tidy", "bench"];
        assert_eq!(nearest("tset", known), Some("test"));
        assert_eq!(nearest("stup", known), Some("setup"));
        assert_eq!(nearest("ben", known), Some("bench"));
        assert_eq!(nearest("--kernal", ["--kernel", "--timeout"]), Some("--kernel"));
    }

    #[test]
    fn a_word_unlike_any_other_finds_none() {
        assert_eq!(nearest("zebra", ["setup", "demo"]), None);
        assert_eq!(hint("zebra", ["setup"]), "");
    }
}
