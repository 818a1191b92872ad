//! Texts that end the long help of commands.

/// For the program itself.
pub const START: &str = "\
EXAMPLES:
  shardproof verify data/                        what `hf download` left, or a SHA256SUMS in it
  shardproof verify data/ --manifest SHA256SUMS
  shardproof flag data/ --hash-list list.txt
  shardproof audit data/ --manifest SHA256SUMS --hash-list list.txt --report json:report.json
  shardproof audit data/ --plan                  what would be read, how long, and what will stay unchecked
  shardproof verify data/ --state data.state     stop it when you like: the same command goes on
  shardproof index data/ -o data.index           measure once, check as often as wanted
  shardproof diff v1/ v2/
  shardproof bench                               how fast this machine is, and what that means for 1 TB

ENVIRONMENT:
  SHARDPROOF_KERNEL  hash with these instructions alone, for measuring: portable, sha-ni, avx2, avx512; the fastest are
                     found out where it is unset
";

const EXIT_CODES: &str = "\
EXIT CODES:
  0    valid: everything that was claimed was checked and is intact; nothing is on a list
  1    invalid: something is wrong: altered, missing, moved, undisclosed, known-bad, …
  2    the job could not be done: wrong usage, an unusable manifest or list, nothing to check against
  3    incomplete: nothing wrong was seen, but not everything was checked
       --fail-on CODES: 1 where one of these was found, else 3 for a gap, else 0; --accept FILE: as if its findings were
       not there
  130  stopped by Ctrl-C, without a report; 143: by SIGTERM";

const EXIT_CODES_OF_DIFF: &str = "\
EXIT CODES:
  0    the two are the same
  1    they differ
  2    the job could not be done: wrong usage, something that cannot be used
  3    no difference was seen, but not everything could be compared
  130  stopped by Ctrl-C, without a report; 143: by SIGTERM";

/// The examples of `diff`, whose exit codes mean the same in other words.
pub fn with_exit_codes_of_diff(examples: &str) -> String {
    format!("{examples}\n{EXIT_CODES_OF_DIFF}")
}

/// The examples of a command, then the exit codes, which are the same for all.
pub fn with_exit_codes(examples: &str) -> String {
    format!("{examples}\n{EXIT_CODES}")
}
