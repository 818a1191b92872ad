//! Colours, where they are wanted.

use crate::finding::Class;

/// Paints or does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink {
    pub(super) colour: bool,
}

/// What a text is, which decides how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Style {
    Good,
    Bad,
    Unsure,
    Heading,
    Faint,
}

impl Style {
    /// How findings of a class look.
    pub(super) fn of(class: Class) -> Style {
        match class {
            Class::Wrong => Style::Bad,
            Class::Gap => Style::Unsure,
            Class::Note => Style::Faint,
        }
    }
}

impl Ink {
    /// The text, painted. It must hold no control characters of the data: those are escaped before.
    pub(super) fn paint(self, style: Style, text: &str) -> String {
        if !self.colour {
            return text.to_string();
        }
        let code = match style {
            Style::Good => "1;32",
            Style::Bad => "1;31",
            Style::Unsure => "1;33",
            Style::Heading => "1",
            Style::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
