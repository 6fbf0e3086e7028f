//! What somebody may have meant.

/// The one of `names` that is nearest to `name`, if it is near enough to be meant.
pub(super) fn near<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).clamp(1, 4);
    names
        .into_iter()
        .map(|other| (distance(name, other, allowed), other))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// "did you mean `x`?", or nothing.
pub(super) fn did_you_mean<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    near(name, names).map_or_else(String::new, |near| format!("did you mean `{near}`?"))
}

/// How many letters have to be changed, put in or left out; more than `most` where it is more.
fn distance(one: &str, other: &str, most: usize) -> usize {
    let one: Vec<char> = one.chars().flat_map(char::to_lowercase).collect();
    let other: Vec<char> = other.chars().flat_map(char::to_lowercase).collect();
    if one.len().abs_diff(other.len()) > most {
        return most + 1;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], at + 1);
        for (column, against) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != against);
            corner = row[column + 1];
            row[column + 1] = changed.min(corner + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        let names = ["condition", "output", "desc", "priority"];
        assert_eq!(near("conditon", names), Some("condition"));
        assert_eq!(near("Output", names), Some("output"));
        assert_eq!(near("zebra", names), None);
        assert_eq!(did_you_mean("dsc", names), "did you mean `desc`?");
        assert_eq!(did_you_mean("", names), "");
    }
}
