# SpamAssassin's patterns beside their weaker forms (stack/spamassassin/prefilter.pm).
# patterns.pl list             its own patterns: NAME PATTERN, in hexadecimal
# patterns.pl find < TEXTS     for lines NAME TEXT: which that a pattern finds are overlooked by the weaker form
# patterns.pl make SEED N      the same for N patterns and texts made by chance
# patterns.pl judge DIR...     which of these messages are judged otherwise with the plugin than without it
use strict;
use warnings;
use Mail::SpamAssassin;

my $spamassassin = Mail::SpamAssassin->new({ dont_copy_prefs => 1, local_tests_only => 1 });
$spamassassin->compile_now(0);
my ($plugin) = grep { ref eq 'Mail::SpamAssassin::Plugin::PosthousePrefilter' } @{ $spamassassin->{plugins}{plugins} };
my $patterns = $spamassassin->{conf}{test_qrs};
my %filters = map { %$_ } values %{ $plugin->{filters} };

sub list { printf "%s %s\n", $_, unpack 'H*', "$patterns->{$_}" for sort keys %filters; return }

# The text is one of several lines, as it would be in a message.
sub overlooked {
  my ($text, $filter) = @_;
  return grep { $_ !~ $filter } $text, "some line\n\n$text\nanother", "\xe9\n$text\n\n\n", "\n$text";
}

sub find {
  my ($found, %overlooked, %tried) = (0);
  while (<STDIN>) {
    my ($name, $text) = /^(\S+) ([0-9a-f]*)$/ or die $_;
    $text = pack 'H*', $text;
    next if $text !~ $patterns->{$name};
    $found++;
    $tried{$name} = 1;
    $overlooked{$name} = $text if overlooked("$text", $filters{$name}) && $filters{$name};
  }
  said($found, scalar keys %tried, map { "$_ " . unpack 'H*', $overlooked{$_} } sort keys %overlooked);
  return;
}

sub said {
  my ($found, $tried, @overlooked) = @_;
  print "overlooked: $_\n" for @overlooked;
  printf "%d texts found by %d patterns, %d overlooked\n", $found, $tried, scalar @overlooked;
  return;
}

sub one { return $_[rand @_] }

my @ATOMS = (
  qw(a b c A B k s x 7 _ - = \- \. \/ \x41 \xe9 \xC9 \xdf \xb5 \xa0 \t \s \S \w \W \d \D \h \v \N .),
  "\xe9", "\xdf", ' ', "\n", '{', '}', ']', '[a-c]', '[^a-c]', '[^k\xe0-\xe9]', '[]a]', '[^]b\s]', '[\w-]', '[^\W_]',
  '[[:alpha:]\xb5]', '[^[:^alnum:]]', '[\x80-\xff]', '[^\x80-\xff]', '[a\]\\\\b]', '[.{}()]', '[\b]', '\p{L}', '\R', '\1', '(?#(a])',
);
my @ENDS = qw~\b \B ^ $ \A \z \Z (?=a) (?!b[(]) (?<=\)|a) (?<![\]a])~;
my @GROUPS = qw/( (?: (?> (?i: (?-i: (?^: (?s: (?^aai: (?<n> (?is-i: (?a: (?x:/;

sub pattern {
  my ($depth) = @_;
  my $made = rand() < 0.15 ? one('(?i)', '(?s)', '(?-i)', '(?m)') : '';
  for (0 .. rand 4) {
    my $part = rand() < 0.2 ? one(@ENDS) : $depth && rand() < 0.4 ? one(@GROUPS) . pattern($depth - 1) . ')' : one(@ATOMS);
    $part .= one('*', '+', '?', '{2}', '{0,2}', '{1,}', '*?', '++', '{2,40}?', '?+') if rand() < 0.3;
    $made .= $part;
  }
  $made .= '|' . pattern($depth - 1) if $depth && rand() < 0.3;
  return $made;
}

sub text {
  my @letters = rand() < 0.5 ? (qw(a b c), ' ') : (qw(a b c A B K k s S x 7 _ - = . / \\ ( ) ] { }), ' ', "\t", "\x0b", "\r");
  push @letters, "\xe9", "\xc9", "\xdf", "\xb5", "\xa0", "\xc3", "\0" if rand() < 0.5;
  push @letters, "\n" if rand() < 0.2;
  return join '', map { one(@letters) } 0 .. rand 30;
}

sub make {
  my ($seed, $number) = @_;
  srand $seed;
  my ($found, $tried, $left, @overlooked) = (0, 0, 0);
  for (1 .. $number) {
    my $made = pattern(3);
    my $pattern = eval { local $SIG{__WARN__} = sub { }; no warnings; one(0, 0, 1) ? qr/$made/ : qr/$made/aa } or next;
    my $filter = Mail::SpamAssassin::Plugin::PosthousePrefilter::filter("$pattern");
    if (!$filter) { $left++; next }
    $tried++;
    for (1 .. 30) {
      my $text = text();
      next if $text !~ $pattern;
      $found++;
      push @overlooked, unpack('H*', "$pattern") . ' ' . unpack 'H*', $text if overlooked($text, $filter);
    }
  }
  print "$left have no weaker form\n";
  said($found, $tried, @overlooked);
  return;
}

sub judged {
  my ($text) = @_;
  my $message = $spamassassin->parse($text);
  my $status = $spamassassin->check($message);
  my @found = sort map { split /[,\s]+/ } $status->get_names_of_tests_hit, $status->get_names_of_subtests_hit;
  my $verdict = join ' ', $status->get_score, @found;
  $_->finish for $status, $message;
  return $verdict;
}

sub judge {
  my ($different, $hits, $number) = (0, 0, 0);
  my $with_it = $plugin->{filters};
  for my $file (map { glob "$_/*" } @_) {
    open my $handle, '<', $file or die "$file: $!";
    my $text = do { local $/; <$handle> };
    my $with = judged($text);
    $plugin->{filters} = {};
    my $without = judged($text);
    $plugin->{filters} = $with_it;
    $number++;
    $hits += () = $without =~ /\S+/g;
    next if $with eq $without;
    $different++;
    print "$file:\n  $with\n  $without\n";
  }
  print "$hits rules found in $number messages, $different judged otherwise\n";
  return;
}

my ($what, @given) = @ARGV;
{ list => \&list, find => \&find, make => \&make, judge => \&judge }->{$what}->(@given);
