# Written by posthouse; your own settings belong into /etc/posthouse/overrides.

# What policyd-spf and OpenDKIM found is not asked and computed again: the gate tells SpamAssassin of it in headers of
# the copy that it gets (posthouse.gate.verdict). A message without them, such as one tried by hand, is judged as usual.
# Source: Mail::SpamAssassin::Plugin(3perl), check_start; Mail::SpamAssassin(3perl), parse, suppl_attrib.
package Mail::SpamAssassin::Plugin::Posthouse;
use strict;
use warnings;
use Mail::SpamAssassin::Plugin;
our @ISA = ('Mail::SpamAssassin::Plugin');

my @HASTE = (0.6, 0.3);    # seconds for block lists where another part has waited in vain for an answer

sub new {
  my ($class, $main) = @_;
  return bless Mail::SpamAssassin::Plugin->new($main), $class;
}

sub check_start {
  my ($self, $given) = @_;
  my $message = $given->{permsgstatus};
  my $finding = $message->get('X-Posthouse-Finding', '');
  my $conf = $message->{conf};
  $self->{patience} ||= [@$conf{qw(rbl_timeout rbl_timeout_min)}];
  @$conf{qw(rbl_timeout rbl_timeout_min)} = $finding =~ /\bsilent\b/ ? @HASTE : @{ $self->{patience} };
  return if $finding eq '';
  my $signatures = $message->get('X-Posthouse-Signatures', '');
  my @signatures;
  push @signatures, Mail::SpamAssassin::Plugin::Posthouse::Signature->new($1, $2)
    while $signatures =~ m{([a-z]+)/([\w.-]+)}g;
  $message->{msg}->{suppl_attrib} = { dkim_signatures => \@signatures, arc_signatures => [] };
  for my $identity ('', 'helo_') {
    $message->{"spf_${identity}checked"} = 1;
    $message->{"spf_${identity}$_"} = 0 for qw(pass neutral none fail softfail temperror permerror);
  }
  return;
}

# A signature as Mail::DKIM would have it; OpenDKIM has seen to its time and to the length of its key.
package Mail::SpamAssassin::Plugin::Posthouse::Signature;
sub new { my ($class, $result, $domain) = @_; return bless { result => $result, domain => $domain }, $class }
sub result { return $_[0]{result} eq 'pass' ? 'pass' : 'fail' }
sub result_detail { return $_[0]{result} eq 'temperror' ? 'fail (SERVFAIL)' : $_[0]->result }
sub domain { return $_[0]{domain} }
sub identity { return '@' . $_[0]{domain} }
sub selector { return 'given' }
sub algorithm { return 'given' }
sub canonicalization { return 'given' }
sub get_public_key { return $_[0] }
sub cork { return $_[0] }
sub size { return 256 }    # bytes

1;
