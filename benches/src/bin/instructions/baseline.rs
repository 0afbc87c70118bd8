//! What operations took when somebody last looked.

use std::fmt;
use std::fs;
use std::path::Path;

use crate::Outcome;

/// Instructions by operation, on one kind of processor.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Baseline {
    /// As [`std::env::consts::ARCH`] has it.
    pub(crate) arch: String,
    pub(crate) counts: Vec<(String, u64)>,
}

impl Baseline {
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let text = fs::read_to_string(path)
            .map_err(|e| format!("{}: {e}; --bless makes one", path.display()))?;
        Self::parse(&text).ok_or_else(|| format!("{}: not understood", path.display()).into())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let arch = lines.next()?.to_owned();
        let counts = lines.map(|line| {
            let (count, name) = line.trim_start().split_once(' ')?;
            Some((name.to_owned(), count.parse().ok()?))
        });
        Some(Self {
            arch,
            counts: counts.collect::<Option<_>>()?,
        })
    }

    pub(crate) fn write(&self, path: &Path) -> Outcome<()> {
        fs::write(path, self.to_string()).map_err(Into::into)
    }

    pub(crate) fn of(&self, name: &str) -> Option<u64> {
        let found = self.counts.iter().find(|(known, _)| known == name);
        found.map(|(_, count)| *count)
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Instructions an operation; `make instructions` compares."
        )?;
        writeln!(f, "{}", self.arch)?;
        let mut counts = self.counts.iter();
        counts.try_for_each(|(name, count)| writeln!(f, "{count:>9} {name}"))
    }
}

/// A count beside the one before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Same,
    /// By more than a twentieth.
    Better,
    /// By more than a twentieth and what a different C library may do.
    Worse,
}

impl Verdict {
    pub(crate) fn of(before: u64, now: u64) -> Self {
        // The C library copies memory by what the processor has: some instructions either way.
        let slack = before / 20 + 8;
        if now > before + slack {
            Self::Worse
        } else if now + slack < before {
            Self::Better
        } else {
            Self::Same
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "",
            Self::Better => "better: --bless keeps it so",
            Self::Worse => "WORSE",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let baseline = Baseline {
            arch: "x86_64".into(),
            counts: vec![
                ("read a packet".into(), 40),
                ("pull".into(), 12_345_678_901),
            ],
        };
        assert_eq!(Baseline::parse(&baseline.to_string()), Some(baseline));
        assert_eq!(Baseline::parse("x86_64\nmany pull\n"), None);
    }

    #[test]
    fn a_twentieth_is_noticed() {
        assert_eq!(Verdict::of(1_000, 1_058), Verdict::Same);
        assert_eq!(Verdict::of(1_000, 1_059), Verdict::Worse);
        assert_eq!(Verdict::of(1_000, 941), Verdict::Better);
        assert_eq!(Verdict::of(10, 18), Verdict::Same);
    }

    #[test]
    fn every_operation_has_a_baseline_and_no_other_has() {
        let known = Baseline::read(Path::new(crate::BASELINE)).unwrap();
        let names: Vec<_> = crate::Operation::all().iter().map(|o| o.name).collect();
        let listed: Vec<_> = known.counts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(listed, names);
    }
}
