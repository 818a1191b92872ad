//! What a run comes to: the verdict, which is about the data, and the exit code, which is about what the user asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::acceptance::Accepted;
use super::options::AuditOptions;
use super::report::{Report, Verdict};
use crate::error::Result;
use crate::finding::{Class, Code};

/// Decides the verdict and the exit code of a report whose findings are complete.
///
/// The verdict is a matter of all findings. For the exit code accepted findings do not count, and `--fail-on` decides
/// which of the others lead to 1: see [`exit_code`].
///
/// # Errors
/// Where findings cannot be read back.
pub fn conclude(report: &mut Report, options: &AuditOptions) -> Result<()> {
    let rules = Rules { lacking: report.lacking, strict: options.strict };
    report.accepted = options.accept.as_ref().map(|list| Accepted::tally(list, report)).transpose()?;
    let mut open = report.counts.clone();
    for (code, n) in report.accepted.iter().flat_map(|accepted| &accepted.counts) {
        open.entry(*code).and_modify(|all| *all = all.saturating_sub(*n));
    }
    report.verdict = verdict(&report.counts, rules);
    report.exit_code = exit_code(&open, rules, options.fail_on.as_ref());
    Ok(())
}

/// What is judged by besides findings.
#[derive(Clone, Copy, Debug)]
struct Rules {
    /// Something was not checked, whatever the findings say.
    lacking: bool,
    /// Gaps and notes count as wrong.
    strict: bool,
}

fn verdict(counts: &BTreeMap<Code, u64>, rules: Rules) -> Verdict {
    let any = |class| of_class(counts, class);
    let gap = rules.lacking || any(Class::Gap);
    if any(Class::Wrong) || (rules.strict && (gap || any(Class::Note))) {
        Verdict::Invalid
    } else if gap {
        Verdict::Incomplete
    } else {
        Verdict::Valid
    }
}

/// The first that applies: 1, what fails the run; 3, a gap; 0.
///
/// Without `--fail-on` what fails the run is what makes it invalid. With it, what it lists, and known-bad items always;
/// with `--strict`, `wrong` lists gaps and notes as well. What is not listed is no failure, but a gap stays one: nobody
/// is told 0 where something that was asked for was not checked.
fn exit_code(open: &BTreeMap<Code, u64>, rules: Rules, fail_on: Option<&FailOn>) -> u8 {
    let gap = rules.lacking || of_class(open, Class::Gap);
    let fails = match fail_on {
        None => verdict(open, rules) == Verdict::Invalid,
        Some(listed) => {
            let listed_class = |class| {
                listed.classes.contains(&class) || (rules.strict && listed.classes.contains(&Class::Wrong))
            };
            let fails = |code: Code| {
                code == Code::KnownBad || listed.codes.contains(&code) || listed_class(code.class())
            };
            open.iter().any(|(&code, &n)| n > 0 && fails(code)) || (rules.lacking && listed_class(Class::Gap))
        }
    };
    match (fails, gap) {
        (true, _) => 1,
        (false, true) => 3,
        (false, false) => 0,
    }
}

fn of_class(counts: &BTreeMap<Code, u64>, class: Class) -> bool {
    counts.iter().any(|(code, &n)| code.class() == class && n > 0)
}

/// `--fail-on`: the codes and classes of findings that lead to exit code 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailOn {
    codes: BTreeSet<Code>,
    classes: BTreeSet<Class>,
}

impl FailOn {
    /// The word for an empty list.
    pub const NONE: &'static str = "none";

    /// All words that can be listed.
    pub fn words() -> impl Iterator<Item = &'static str> {
        let classes = [Class::Wrong, Class::Gap, Class::Note].map(Class::name);
        classes.into_iter().chain([FailOn::NONE]).chain(Code::ALL.map(Code::name))
    }

    /// The list of these words.
    ///
    /// # Errors
    /// Says which word is none, or that `none` stands beside others.
    pub fn of(words: &[String]) -> Result<FailOn, String> {
        let mut listed = FailOn::default();
        for word in words {
            let class = [Class::Wrong, Class::Gap, Class::Note].into_iter().find(|c| c.name() == word);
            let code = Code::ALL.into_iter().find(|code| code.name() == word);
            match (class, code) {
                (Some(class), _) => listed.classes.extend([class]),
                (None, Some(code)) => listed.codes.extend([code]),
                (None, None) if word != FailOn::NONE => {
                    return Err(format!("{word:?} is no code of a finding and no class of them"));
                }
                (None, None) if words.len() > 1 => {
                    return Err("`none` lists nothing and goes with nothing else".to_string());
                }
                (None, None) => {}
            }
        }
        Ok(listed)
    }

    /// The list as it is typed, in an order of its own.
    pub fn typed(&self) -> String {
        let classes = self.classes.iter().map(|class| class.name());
        let all: Vec<_> = classes.chain(self.codes.iter().map(|code| code.name())).collect();
        if all.is_empty() { FailOn::NONE.to_string() } else { all.join(",") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(codes: &[Code], lacking: bool, strict: bool, fail_on: Option<&str>) -> u8 {
        let open = codes.iter().map(|&code| (code, 1)).collect();
        let listed = fail_on.map(|words| {
            let words: Vec<String> = words.split(',').map(str::to_string).collect();
            FailOn::of(&words).unwrap()
        });
        exit_code(&open, Rules { lacking, strict }, listed.as_ref())
    }

    #[test]
    fn without_a_list_the_classes_decide() {
        use Code::{Altered, Opaque, Unreadable};
        for (codes, lacking, strict, code) in [
            (&[][..], false, false, 0),
            (&[Opaque], false, false, 0),
            (&[Unreadable], false, false, 3),
            (&[], true, false, 3),
            (&[Altered, Unreadable], true, false, 1),
            (&[Opaque], false, true, 1),
            (&[], true, true, 1),
        ] {
            assert_eq!(exit(codes, lacking, strict, None), code, "{codes:?} {lacking} {strict}");
        }
    }

    #[test]
    fn a_list_replaces_what_fails_and_never_hides_a_gap() {
        use Code::{Altered, KnownBad, Missing, Opaque, Unreadable};
        for (codes, lacking, strict, listed, code) in [
            (&[Altered][..], false, false, "missing", 0),
            (&[Altered, Missing], false, false, "missing", 1),
            (&[Altered], false, false, "none", 0),
            (&[Altered, Unreadable], false, false, "missing", 3),
            (&[Unreadable], false, false, "unreadable", 1),
            (&[Unreadable], false, false, "gap", 1),
            (&[], true, false, "gap", 1),
            (&[], true, false, "wrong", 3),
            (&[], true, false, "unreadable", 3),
            (&[], true, false, "none", 3),
            (&[Opaque], false, false, "note", 1),
            (&[Opaque], false, false, "wrong", 0),
            (&[Opaque], false, true, "wrong", 1),
            (&[Opaque], false, true, "altered", 0),
            (&[KnownBad], false, false, "none", 1),
        ] {
            assert_eq!(exit(codes, lacking, strict, Some(listed)), code, "{codes:?} {lacking} {listed}");
        }
    }

    #[test]
    fn lists_are_typed_as_reports_show_them() {
        let of = |words: &[&str]| FailOn::of(&words.iter().map(|w| w.to_string()).collect::<Vec<_>>());
        assert_eq!(of(&["missing", "gap", "altered"]).unwrap().typed(), "gap,altered,missing");
        assert_eq!(of(&["none"]).unwrap().typed(), "none");
        assert!(of(&["none", "gap"]).is_err() && of(&["alterd"]).is_err());
    }
}
