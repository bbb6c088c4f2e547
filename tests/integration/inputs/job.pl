# SPDX-License-Identifier: MIT
# Work for perl; the argument multiplies it.
use strict;
use warnings;
use List::Util qw(sum max shuffle);
use Data::Dumper;
use Storable qw(dclone freeze thaw);
use Scalar::Util qw(weaken);
use Digest::SHA qw(sha1_hex);

my $factor = shift;
$Data::Dumper::Sortkeys = 1;

sub hashes {
    my %count;
    for my $i (1 .. 100_000) {
        my $key = 'k' . ($i * 7919 % 3001);
        $count{$key}{n}++;
        push @{ $count{$key}{list} }, $i if $i % 3 == 0;
    }
    delete @count{ grep { /7$/ } keys %count };
    my @sorted = sort { $count{$b}{n} <=> $count{$a}{n} || $a cmp $b } keys %count;
    my $total = sum(map { scalar @{ $count{$_}{list} || [] } } @sorted);
    print scalar(@sorted), " $sorted[0] $sorted[-1] $total\n";
    my $copy = thaw(freeze(dclone(\%count)));
    print sha1_hex(Dumper($copy)), "\n";
}

sub expressions {
    my $text = join ' ', map { "word$_ <" . ($_ * 31 % 97) . ">" } 1 .. 20_000;
    my $n = () = $text =~ /<(\d)\1>/g;
    (my $changed = $text) =~ s/word(\d+) <(\d+)>/sprintf('%x:%s', $1, scalar reverse $2)/ge;
    my %seen;
    $seen{$1}++ while $changed =~ /:(\d+)/g;
    my @fields = split /\s+/, $changed;
    my $nested = qr/(\((?:[^()]++|(?1))*\))/;
    my $deep = '(' x 200 . 'x' . ')' x 200;
    print "$n ", length $changed, ' ', scalar(keys %seen), " $fields[777] ", ($deep =~ $nested ? length $1 : 0), "\n";
    $text =~ tr/a-z/n-za-m/;
    print sha1_hex($text), "\n";
}

sub closures {
    my @list = map { my ($n, $s) = ($_, "s$_"); sub { $n += shift; "$s$n" } } 1 .. 20_000;
    my $length = 0;
    for my $round (1 .. 3) { $length += length $_->($round) for @list }
    print "$length ", $list[99]->(0), "\n";
}

package Node {
    our $destroyed = 0;
    sub new { my ($class, $name) = @_; return bless { name => $name, kids => [] }, $class }
    sub add {
        my ($self, $kid) = @_;
        $kid->{up} = $self;
        Scalar::Util::weaken($kid->{up});
        push @{ $self->{kids} }, $kid;
        return $kid;
    }
    sub size { my $self = shift; my $n = 1; $n += $_->size for @{ $self->{kids} }; return $n }
    sub DESTROY { $destroyed++ }
}

sub objects {
    my $root = Node->new('root');
    my @level = ($root);
    for my $depth (1 .. 8) {
        @level = map { my $p = $_; map { $p->add(Node->new("$p->{name}.$_")) } 1 .. 3 } @level;
    }
    print $root->size, ' ', $level[1234]{up}{up}{name}, "\n";
    @level = ();
    undef $root;
    print "destroyed $Node::destroyed\n";
    for (1 .. 20_000) { my $x = { text => 'y' x 50 }; $x->{self} = [$x]; }
}

sub sorting {
    srand 1;
    my @numbers = map { int rand 1e6 } 1 .. 100_000;
    my @sorted = sort { $a <=> $b } @numbers;
    my @texts = sort map { sprintf '%s-%d', chr(65 + $_ % 26) x ($_ % 5), $_ } @numbers[0 .. 20_000];
    print "$sorted[0] $sorted[50_000] $sorted[-1] ", sha1_hex("@texts"), "\n";
}

sub processes {
    my @got;
    for my $i (1 .. 5) {
        my $pid = open(my $pipe, '-|') // die "fork: $!";
        if (!$pid) { print join(',', map { $_ * $i } 1 .. 1000); exit $i }
        my $line = <$pipe>;
        close $pipe;
        push @got, length($line) . ':' . ($? >> 8);
    }
    print "@got ", `echo from a shell`;
    print sprintf('%vd', '1.22.333'), ' ', join('|', unpack('A3 n C', pack('A3 n C', 'abc', 513, 7))), "\n";
    my $code = join ';', map { "sub generated$_ { \$_[0] + $_ }" } 1 .. 500;
    eval $code or 1;
    no strict 'refs';
    print sum(map { &{"generated$_"}(1) } 1 .. 500), "\n";
}

for (1 .. $factor) {
    hashes();
    expressions();
    closures();
    $Node::destroyed = 0;
    objects();
    sorting();
    processes();
}
