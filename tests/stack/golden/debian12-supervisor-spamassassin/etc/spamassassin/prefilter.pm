# Written by posthouse; your own settings belong into /etc/posthouse/overrides.

# Four fifths of SpamAssassin's time go into some 600 patterns over a message's text, hardly any of which is found. Here
# each is first tried in a weaker form, which finds whatever the pattern itself would find, over the whole text at once,
# by RE2: its automata take a tenth of the time. What is found so is then tried as ever; what is not, is left out.
# So nothing is judged otherwise. Source: Mail::SpamAssassin::Plugin(3perl), re::engine::RE2(3perl).
package Mail::SpamAssassin::Plugin::PosthousePrefilter;
use strict;
use warnings;
use Mail::SpamAssassin::Plugin;
use Mail::SpamAssassin::Logger qw(dbg);
our @ISA = ('Mail::SpamAssassin::Plugin');

sub new {
  my ($class, $main) = @_;
  my $self = bless Mail::SpamAssassin::Plugin->new($main), $class;
  $self->{left_out} = [];
  return $self;
}

# Before the first message, which spamd makes up for itself, no rule has been compiled and forgotten yet.
sub check_start {
  my ($self, $given) = @_;
  $self->_restore;
  $self->{filters} ||= _filters($given->{permsgstatus}{conf});
  return;
}

# The rule's code looks at its score first: 0 means that it is not run.
sub check_rules_at_priority {
  my ($self, $given) = @_;
  my $filters = $self->{filters}{ $given->{priority} } or return;
  my $message = $given->{permsgstatus};
  $message->{posthouse_text} = _text($message) if !exists $message->{posthouse_text};
  my $text = $message->{posthouse_text};
  return if !defined $text;
  my $scores = $message->{conf}{scores};
  for my $name (keys %$filters) {
    next if !$scores->{$name} || $text =~ $filters->{$name};
    push @{ $self->{left_out} }, [$scores, $name, $scores->{$name}];
    $scores->{$name} = 0;
    $message->rule_ready($name, 1);
  }
  return;
}

sub check_cleanup {
  my ($self, $given) = @_;
  dbg('posthouse: %d rules left out', scalar @{ $self->{left_out} });
  $self->_restore;
  return;
}

# The methods by which evaluating rules reach their plugins are the same for every message, and need not be compiled anew
# for each: register_plugin_eval_glue finds them there.
sub per_msg_finish {
  my ($self, $given) = @_;
  my $evaluating = $given->{permsgstatus}{conf}{eval_plugins};
  my $methods = \@Mail::SpamAssassin::PerMsgStatus::TEMPORARY_METHODS;
  @$methods = grep { !exists $evaluating->{$_} } @$methods;
  return;
}

# After each message spamd copies all of the configuration back, lest what one user set be another's; here no user sets
# anything (--nouser-config).
sub spamd_child_init {
  no warnings 'redefine';
  *Mail::SpamAssassin::copy_config = sub { return 1 };
  return;
}

sub _restore {
  my ($self) = @_;
  while (my $rule = pop @{ $self->{left_out} }) { $rule->[0]{ $rule->[1] } = $rule->[2] }
  return;
}

# All lines as one text of octets; nothing where there are characters.
sub _text {
  my ($message) = @_;
  my $lines = $message->get_decoded_stripped_body_text_array;
  return if grep { utf8::is_utf8($_) } @$lines;
  return join "\n", @$lines;
}

# For each priority, the rules' weaker forms.
sub _filters {
  my ($conf) = @_;
  my %filters;
  return \%filters if !eval { require re::engine::RE2; 1 };
  # Its automata grow with what they read: here once, for all children.
  my $words = join "\n", grep { !utf8::is_utf8($_) } values %{ $conf->{descriptions} };
  for my $priority (keys %{ $conf->{body_tests} }) {
    for my $name (keys %{ $conf->{body_tests}{$priority} }) {
      next if $conf->{capture_rules}{$name} || $conf->{capture_template_rules}{$name};
      my $filter = filter("$conf->{test_qrs}{$name}") or next;
      $filters{$priority}{$name} = $filter;
      $words =~ $filter;
    }
  }
  return \%filters;
}

# The weaker form of a pattern, compiled; nothing where there is none. RE2 counts no long groups.
sub filter {
  my ($pattern) = @_;
  for my $counting (1, 0) {
    my $weaker = _weaker($pattern, $counting);
    return if !defined $weaker;
    my $filter = _compiled("(?m)$weaker");
    return $filter if $filter;
  }
  return;
}

sub _compiled {
  my ($pattern) = @_;
  my $found = eval {
    BEGIN { re::engine::RE2->import(-strict => 1) if eval { require re::engine::RE2 } }
    qr/$pattern/;
  };
  return $found && $found->isa('re::engine::RE2') ? $found : undef;
}

# One octet: by a class, by an escape, by itself.
my $CLASS = qr/\[\^?\]?(?:\\x[0-9A-Fa-f]{2}|\\[dDwWsShHvVnrtfeab]|\\[^A-Za-z0-9]|\[:\^?[a-z]+:\]|[^\]\\])*+\]/s;
my $ESCAPE = qr/\\(?:x[0-9A-Fa-f]{2}|[dDwWsShHvVnrtfea]|N(?!\{)|[^A-Za-z0-9])/s;
my $PART = qr/\G([^\\\[()|*+?^\$\{]|\{(?![\d\s,]*\})|$ESCAPE|$CLASS)/s;

# A pattern that matches whatever this one matches, where this one's line is one of many of a text. It has no more than
# what RE2 and Perl understand alike: of each part that stands for one octet, Perl itself says which octets these are;
# what looks ahead and behind is left out; the ends of the line are those of any line. Nothing for a pattern in which
# there is anything else, such as a reference to what was found, or characters that are no octets.
sub _weaker {
  (local $_, my $counting) = @_;
  return if utf8::is_utf8($_);
  my $weaker = '';
  my $flags = {};
  my (@outer, $repeatable);
  pos = 0;
  until (/\G\z/gc) {
    my $repeated = $repeatable;
    $repeatable = 0;
    if (/$PART/gc) {
      my $octets = _octets($1, join '', grep { $flags->{$_} } qw(a i s));
      return if !defined $octets;
      $weaker .= $octets;
      $repeatable = 1;
    }
    elsif (/\G\(\?\#[^)]*\)/gc) { $repeatable = $repeated }
    elsif (/\G([*+?]|\{(\d+)(?:,\d*)?\})[+?]?/gc) {
      return if !$repeated;
      $weaker .= !defined $2 || $counting ? $1 : $2 > 0 ? '+' : '*';
    }
    elsif (/\G\{[\d\s,]*\}/gc)    { return }
    elsif (/\G(?:\^|\\A)/gc)      { $weaker .= '^' }
    elsif (/\G(?:\$|\\[zZ])/gc)   { $weaker .= '$' }
    elsif (/\G(\\[bB])(?!\{)/gc)  { $weaker .= $1 }
    elsif (/\G\|/gc)              { $weaker .= '|' }
    elsif (/\G\(\?<?[=!]/gc)      { _skipped() or return }
    elsif (/\G\(\?(\^?)([aimnps]*)(?:-([imns]+))?([:)])/gc) {
      my ($anew, $on, $off, $end) = ($1, $2, $3, $4);
      return if $on =~ /a/ && $on !~ /aa/;
      if ($end eq ':') { push @outer, $flags; $weaker .= '(?:' }
      $flags = { $anew ? () : %$flags, map { $_ => 1 } split //, $on };
      delete @$flags{ split //, $off } if defined $off;
    }
    elsif (/\G\((?:\?>|\?<[A-Za-z_]\w*>|(?![?*]))/gc) { push @outer, $flags; $weaker .= '(?:' }
    elsif (/\G\)/gc) {
      $flags = pop @outer or return;
      $weaker .= ')';
      $repeatable = 1;
    }
    else { return }
  }
  return @outer ? undef : $weaker;
}

# Which octets a part of a pattern stands for, as a class.
my %octets;
sub _octets {
  my ($part, $flags) = @_;
  return $octets{"$flags:$part"} ||= do {
    my $set = $flags =~ s/a/aa/r;
    my $literal = length $part == 1 && $part ne '.' ? quotemeta $part : $part;
    no warnings;
    my $pattern = eval { qr/\A(?^${set}:${literal})\z/ } or return;
    my $found = join '', map { chr =~ $pattern ? 1 : 0 } 0 .. 255;
    my $class = '';
    $class .= sprintf '\\x%02x-\\x%02x', $-[0], $+[0] - 1 while $found =~ /1+/g;
    return if $class eq '';
    # Debian 12's RE2 looks for what several alternatives begin with as if it were UTF-8: so no letter above 127 is alone.
    $class .= '\x00' if $class =~ /\A\\x([89a-f].)-\\x\1\z/;
    "[$class]";
  };
}

# Go behind the end of the group that has begun.
sub _skipped {
  for (my $depth = 1; $depth;) {
    if    (/\G$CLASS/gc)           { }
    elsif (/\G\\[^pPNgkx]/gcs)     { }
    elsif (/\G\\x[0-9A-Fa-f]{2}/gc) { }
    elsif (/\G\(\?\#[^)]*\)/gc)    { }
    elsif (/\G\(\?\^?[a-z]*x/gc) { return 0 }
    elsif (/\G\(\*/gc)             { return 0 }
    elsif (/\G\(/gc)               { $depth++ }
    elsif (/\G\)/gc)               { $depth-- }
    elsif (!/\G[^\\\[]/gcs)        { return 0 }
  }
  return 1;
}

1;
