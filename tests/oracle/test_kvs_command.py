# SPDX-License-Identifier: LGPL-3.0-or-later
"""``flux kvs``, sentence by sentence of its manual page."""

import pytest

from .commands import differences

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

#: Each block is run in a new instance, from its first line on.
BLOCKS = {
    "get and put": """\
flux kvs put a=1 b.c=2 b.d=3 'e=hello world' f= g='{"x":1}' h=[1,2] 'ü=ä'
flux kvs get a b.c e f g h ü
flux kvs get -l a b.c f ü
flux kvs get -r a b.c f
flux kvs get -t a
flux kvs get -t b
flux kvs get -t f
flux kvs get b
flux kvs get b.
flux kvs get .
flux kvs get -t .
flux kvs get ''
flux kvs get nosuch
flux kvs get a nosuch b.c
flux kvs get a.b
flux kvs get a.b.c
flux kvs get b..c
flux kvs get .b.c
flux kvs get b.c.
flux kvs get ns::a
flux kvs get primary::a
flux kvs get -N nosuch a
flux kvs get -N primary a
flux kvs get --namespace=primary a
FLUX_KVS_NAMESPACE=nosuch flux kvs get a
FLUX_KVS_NAMESPACE= flux kvs get a
flux kvs get -N '' a
flux kvs get -rt a
flux kvs get -a "$(flux kvs get -t .)" a
flux kvs get -a "$(flux kvs get -t b)" c
flux kvs get -a "$(flux kvs getroot)" a
flux kvs get -w -c 1 a
flux kvs get -c x -w a
flux kvs get -c 1 a
flux kvs get -W a
flux kvs get -W -w -c 1 a
flux kvs get -w -c 1 nosuch
flux kvs get -u a
flux kvs get -A a
flux kvs get -f a
flux kvs get -S a
flux kvs get -S a b.c e
flux kvs get -S -w a
flux kvs get -S -t a
flux kvs get -S b
flux kvs get -S nosuch
flux kvs get -w -t -c 1 a
flux kvs get -w -c1 b
flux kvs get --nosuch
flux kvs get -Z a
flux kvs get --w a
flux kvs put
flux kvs put a
flux kvs put a=b=c; flux kvs get a
flux kvs put .=1
flux kvs put a.=1
flux kvs put ''
flux kvs put a.b.c=1; flux kvs get a.b.c
flux kvs put -r a=hello; flux kvs get -r a
flux kvs put -r a=; flux kvs get a; flux kvs get -t a
printf 'x\\0y' | flux kvs put -r a=-; flux kvs get -r a | od -c
echo foo | flux kvs put a=-; flux kvs get a
flux kvs put -r a=- b1=- </dev/null; flux kvs get -r a
flux kvs put -t a='{"data":"MQ==","type":"val","ver":1}'; flux kvs get a
flux kvs put -t a='{"data":"MQ==","type":"val","ver":2}'
flux kvs put -t a=foo
flux kvs put -t a=
flux kvs put -t a='{"data":{},"type":"dir","ver":1}'; flux kvs ls a
flux kvs get -t b | flux kvs put -t b2=-; flux kvs get b2.c
flux kvs put -t -r a='{"data":"MQ==","type":"val","ver":1}'
flux kvs put -O z=1
flux kvs put -b z=1
flux kvs put -s z=1 | grep -c '^[0-9]*$'
flux kvs put -O -b z=1
flux kvs put -O -s z=1
flux kvs put -b -s z=1
flux kvs put -n z=1
flux kvs put -A ap=a; flux kvs put -A ap=b; flux kvs get ap; flux kvs get -t ap
flux kvs put -A -r apr=a; flux kvs put -A -r apr=b; flux kvs get apr
flux kvs put -t -A apt='{"data":"MQ==","type":"val","ver":1}'
flux kvs put -A b=1
flux kvs put -S s=1; flux kvs get s
flux kvs put -N nosuch a=1
flux kvs put b.c.d.e=1
flux kvs get b.c
flux kvs get b.c.d.e
""",
    "links and listings": """\
flux kvs put a=1 b.c=2 b.d=3 b.e.f=4 c.x=5
flux kvs get ln
flux kvs get ln2
flux kvs get lnb.c
flux kvs get lnn lnp
flux kvs readlink ln ln2 lnb lnn lnp
flux kvs readlink -o ln lnn
flux kvs readlink -k ln lnn
flux kvs readlink -o -k ln lnn
flux kvs readlink a
flux kvs readlink b
flux kvs readlink nosuch
flux kvs readlink ln a ln2
flux kvs readlink -a "$(flux kvs get -t .)" ln
flux kvs readlink
flux kvs readlink .
flux kvs get -t ln lnn
flux kvs link
flux kvs link a
flux kvs link a b c
flux kvs link -O a l1
flux kvs link -s a l1 | grep -c '^[0-9]*$'
flux kvs link -b a l1
flux kvs link -T nosuch a l2; flux kvs get l2; flux kvs readlink l2
flux kvs link loop loop; flux kvs get loop
flux kvs link loop2 loop1; flux kvs link loop1 loop2; flux kvs get loop1; flux kvs get loop1.x
flux kvs link '' x
flux kvs link x .
flux kvs dir
flux kvs dir b
flux kvs dir -R b
flux kvs dir -d
flux kvs dir -d b
flux kvs dir -R -d b
flux kvs dir a
flux kvs dir nosuch
flux kvs dir ln
flux kvs dir lnb
flux kvs dir a b
flux kvs dir -a "$(flux kvs get -t b)"
flux kvs dir -a "$(flux kvs get -t b)" e
flux kvs dir -a "$(flux kvs getroot)" b
flux kvs dir -w 40
flux kvs dir -w 0
flux kvs dir -w 5
flux kvs dir -w x
flux kvs dir -w 1
COLUMNS=30 flux kvs dir
flux kvs put -r bin=$'\\xff\\xfe'; flux kvs dir | grep bin | od -c
flux kvs put u=äöü; flux kvs dir | grep '^u'
flux kvs mkdir d1 d2.d3; flux kvs dir d1; flux kvs ls d2
flux kvs mkdir
flux kvs mkdir a; flux kvs ls a
flux kvs mkdir -O m1; flux kvs mkdir -b m2 ; flux kvs mkdir -s m3 | grep -c .
flux kvs mkdir .
flux kvs ls
flux kvs ls .
flux kvs ls -1
flux kvs ls -F
flux kvs ls -1F
flux kvs ls -R
flux kvs ls -RF1
flux kvs ls -d
flux kvs ls -d b
flux kvs ls -dF b lnb c
flux kvs ls b c
flux kvs ls b nosuch c
flux kvs ls nosuch
flux kvs ls nosuch nosuch2
flux kvs ls lnb
flux kvs ls -F lnb
flux kvs ls ln ln2
flux kvs ls b.c
flux kvs ls b.c b
flux kvs ls b b.c c
flux kvs ls -w 20
flux kvs ls -w 0
flux kvs ls -w 1
flux kvs ls -w 40 -R
COLUMNS=20 flux kvs ls
COLUMNS=0 flux kvs ls
flux kvs ls -R -d b
flux kvs unlink nosuch
flux kvs unlink -f nosuch
flux kvs unlink b
flux kvs unlink b.c nosuch; flux kvs get b.c
flux kvs unlink -R b; flux kvs ls b
flux kvs unlink d1; flux kvs ls d1
flux kvs unlink
flux kvs unlink .
flux kvs unlink -R .
flux kvs unlink ''
flux kvs unlink -O c.x
flux kvs unlink -f -b nosuch
flux kvs unlink -Rf nosuch
flux kvs unlink lnb; flux kvs readlink lnb
flux kvs put c.y.z=1; flux kvs unlink c; flux kvs unlink -f c; flux kvs unlink -R c; flux kvs ls c
""",
    "namespaces and event logs": """\
flux kvs put a=1 b.c=2
flux kvs copy a a2; flux kvs get a2
flux kvs copy b b2; flux kvs get b2.c
flux kvs copy nosuch x
flux kvs copy a
flux kvs copy
flux kvs copy a b c
flux kvs copy . r; flux kvs ls r
flux kvs move a2 a3; flux kvs get a3; flux kvs get a2
flux kvs move nosuch x
flux kvs move b2 b3; flux kvs ls b3; flux kvs ls b2
flux kvs move a a; flux kvs get a
flux kvs copy a a; flux kvs get a
flux kvs namespace create n1 n2
flux kvs namespace create n1
flux kvs namespace create
flux kvs namespace create n1 n3
flux kvs namespace list x
flux kvs namespace create -r "$(flux kvs getroot -b)" n6
flux kvs namespace create -o 1234 n4
flux kvs namespace create -o x n5
flux kvs namespace create -o -1 n5b
flux kvs namespace create -o root n5c
flux kvs namespace create --owner=4294967296 n5d
flux kvs namespace create -r '' n9
flux kvs namespace create primary
flux kvs namespace create 'a b'
flux kvs namespace create 'a::b'
flux kvs namespace create 'x.y'
flux kvs namespace remove nosuch
flux kvs namespace remove n2 n4
flux kvs namespace remove primary
flux kvs namespace remove
flux kvs namespace remove ''
flux kvs namespace
flux kvs namespace nosuch
flux kvs copy -D n1 a x; flux kvs get -N n1 x
flux kvs copy -S n1 x y; flux kvs get y
flux kvs copy -S n1 -D n1 x z; flux kvs ls -N n1
flux kvs move -S n1 -D primary x zz; flux kvs ls -N n1; flux kvs get zz
flux kvs copy -D nosuch a y
flux kvs copy primary::a n1::k; flux kvs get n1::k
flux kvs copy -N n1 z w
flux kvs put -N n1 q=1 r.s=2; flux kvs dir -N n1 ; flux kvs ls -N n1 r
flux kvs get n1::q
flux kvs get -N n1 primary::a
flux kvs link -N n1 q lq; flux kvs get -N n1 lq
flux kvs link -T n1 . lr; flux kvs ls lr; flux kvs ls -F lr. ; flux kvs dir lr
flux kvs put lr.new=5; flux kvs get -N n1 new
flux kvs getroot
flux kvs getroot -N n1
flux kvs getroot -o
flux kvs getroot -o -N n6
flux kvs getroot -b
flux kvs getroot -s | grep -c '^[0-9]*$'
flux kvs getroot -o -b -s | wc -l
flux kvs getroot x
flux kvs version | grep -c '^[0-9]*$'
flux kvs version -N n1
flux kvs version -N nosuch
flux kvs wait 1
flux kvs wait
flux kvs wait -- -1
flux kvs wait 0
flux kvs wait 1 2
flux kvs wait -N nosuch 1
flux kvs sync
flux kvs sync x
flux kvs sync -N n1
flux kvs eventlog
flux kvs eventlog nosuch
flux kvs eventlog append
flux kvs eventlog append k
flux kvs eventlog append -t 1.5 k e1
flux kvs eventlog append -t 2 k e2 '{"a":1}'
flux kvs eventlog append -t 3 k e3 a=1 b=x c='{"d":2}'
flux kvs eventlog append -t 4 k e4 'foo bar'
flux kvs eventlog append -t 5 k e5 '{"a"' ':1}'
flux kvs eventlog append -t x k e5
flux kvs eventlog append -t 0 k e7
flux kvs eventlog append -t 5 k ''
flux kvs eventlog append -t 5 k 'a b'
flux kvs eventlog append -t 5 k 'é'
flux kvs eventlog append -t 5 k e8 '[1]'
flux kvs eventlog append -t 5 k e9 '"x"'
flux kvs eventlog append -t 5 k e10 'null'
flux kvs eventlog append -t 5 k e11 ''
flux kvs eventlog append -t 1e3 k e12
flux kvs eventlog append -t 1234567890.123456789 k e13
flux kvs eventlog append b e
flux kvs get k
flux kvs eventlog get k
flux kvs eventlog get -u k
flux kvs eventlog get -H k | sed 's/\\x1b/ESC/g'
flux kvs eventlog get -HL k | sed 's/\\x1b/ESC/g'
flux kvs eventlog get --color=never k
flux kvs eventlog get --color=foo k
flux kvs eventlog get --color= k
flux kvs eventlog get nosuch
flux kvs eventlog get b
flux kvs eventlog get a
flux kvs eventlog get
flux kvs eventlog get k k
flux kvs eventlog get -S k
flux kvs eventlog get -S -w k
flux kvs eventlog get -w -c 2 k
flux kvs eventlog get -c 2 k
flux kvs eventlog get -W k
flux kvs eventlog get -W -w -c 1 k
flux kvs eventlog get -w -c 1 nosuch
flux kvs eventlog wait-event -t 0.2 k nosuch
flux kvs eventlog wait-event -t 0.2 nosuch e
flux kvs eventlog wait-event -W -t 0.2 nosuch e
flux kvs eventlog wait-event -t 0 k e1
flux kvs eventlog wait-event -t 1s k e1
flux kvs eventlog wait-event k
flux kvs eventlog wait-event
flux kvs eventlog wait-event k e1 e2
flux kvs eventlog wait-event a e1
""",
    "keys without a name": """\
flux kvs put a=1 b.c=2 b.d=3 b.e.f=4 c.x=5
flux kvs ls lnb
flux kvs ls lnb.
flux kvs ls a.
flux kvs ls -F lnb a
flux kvs ls -R lnb
flux kvs ls ln ln2
flux kvs ls c lnb b
flux kvs ls .. b..
flux kvs get ''
flux kvs get -S a b.c
flux kvs get -S -l a b.c
flux kvs get -S -r a b.c
flux kvs get -S -t a b.c
flux kvs get -S -t -l a b.c
flux kvs get -rt a
flux kvs get -w -rt -c1 a
flux kvs get -w -c 1 b.c
flux kvs get -w nosuch a
FLUX_KVS_NAMESPACE= flux kvs put a=3
flux kvs put -N '' a=3
flux kvs unlink -f -b nosuch
flux kvs unlink ''
flux kvs dir -w 3
flux kvs dir -w 4
flux kvs dir -w 10
flux kvs eventlog append -t 0 k e7 ; flux kvs eventlog append -t 1 k ''
flux kvs eventlog append -t 1 k e8
flux kvs eventlog wait-event -t 0 k e8
flux kvs eventlog wait-event -qv k e8 | wc -l
flux kvs eventlog get -S -w k
flux kvs readlink -ok ln lnb
""",
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_lines(flux, tmp_path, block):
    assert differences(flux, block, tmp_path) == []
