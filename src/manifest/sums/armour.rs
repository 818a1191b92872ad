//! The PGP cleartext signature around a sums file: what is signed is read, the frame is not (RFC 9580, section 7).

/// Where in the frame the reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before, after or without a frame.
    #[default]
    Outside,
    /// Between the first line and the empty one that ends the headers.
    Headers,
    /// In the signed text, where a line that begins with `-` is written with `- ` before it.
    Signed,
    /// In the signature.
    Signature,
}

/// Takes the frame off, line by line. The signature itself is not checked here.
#[derive(Debug, Default)]
pub(super) struct Armour(Place);

/// What a line is, once the frame is off.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framed<'a> {
    /// Text of the manifest.
    Text(&'a [u8]),
    /// A line of the frame.
    Frame,
    /// A line that cannot stand where it stands, and why.
    Broken(&'static str),
}

impl Armour {
    pub(super) fn strip<'a>(&mut self, line: &'a [u8]) -> Framed<'a> {
        let shown = line.trim_ascii_end();
        match self.0 {
            Place::Outside if shown == b"-----BEGIN PGP SIGNED MESSAGE-----" => self.enter(Place::Headers),
            Place::Outside => Framed::Text(line),
            Place::Headers if shown.is_empty() => self.enter(Place::Signed),
            Place::Headers if shown.starts_with(b"Hash: ") => Framed::Frame,
            Place::Headers => {
                Framed::Broken("it stands among the headers of a PGP message and is none of them")
            }
            Place::Signed if shown == b"-----BEGIN PGP SIGNATURE-----" => self.enter(Place::Signature),
            Place::Signed => Framed::Text(line.strip_prefix(b"- ").unwrap_or(line)),
            Place::Signature if shown == b"-----END PGP SIGNATURE-----" => self.enter(Place::Outside),
            Place::Signature => Framed::Frame,
        }
    }

    /// What is missing at the end of the file.
    pub(super) fn missing(&self) -> Option<&'static str> {
        match self.0 {
            Place::Outside => None,
            Place::Headers => Some("the PGP message ends among its headers"),
            Place::Signed => Some("the PGP message has no signature at its end"),
            Place::Signature => Some("the PGP signature is cut short"),
        }
    }

    fn enter(&mut self, place: Place) -> Framed<'static> {
        self.0 = place;
        Framed::Frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &str) -> (Vec<String>, usize, Option<&'static str>) {
        let mut armour = Armour::default();
        let (mut texts, mut broken) = (Vec::new(), 0);
        for line in content.lines() {
            match armour.strip(line.as_bytes()) {
                Framed::Text(text) => texts.push(String::from_utf8(text.to_vec()).unwrap()),
                Framed::Frame => {}
                Framed::Broken(_) => broken += 1,
            }
        }
        (texts, broken, armour.missing())
    }

    const FRAMED: &str = "before\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nline\n- -dash\n\
        -----BEGIN PGP SIGNATURE-----\n\niQIzBAEB\n=abcd\n-----END PGP SIGNATURE-----\nafter\n";

    #[test]
    fn the_frame_falls_away_and_dashes_are_unescaped() {
        let expected = ["before", "line", "-dash", "after"].map(String::from).to_vec();
        assert_eq!(text(FRAMED), (expected, 0, None));
        assert_eq!(text("- x\n").0, ["- x"], "outside of a frame a dash is a dash");
    }

    #[test]
    fn a_cut_or_abused_frame_is_told() {
        let cut = FRAMED.split("-----END").next().unwrap();
        assert_eq!(text(cut).2, Some("the PGP signature is cut short"));
        let hidden = FRAMED.replace("Hash: SHA512", "Hash: SHA512\nhidden");
        assert_eq!(text(&hidden).1, 1);
    }
}
