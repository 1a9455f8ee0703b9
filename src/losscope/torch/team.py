"""A loop on several threads, without a word of Python between them.

`on_all` is a parallel region, as compilers of OpenMP make it: the loop becomes a function of the address of its
arguments, which PyTorch's own threads call where they may (`losscope.torch.openmp`), and those of our pool elsewhere.
Each takes blocks until none is left, and each block leaves its own sum: the bits do not depend on who took it. One
thread alone runs the same function.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

PARTS = 8  # for each thread: one that comes late leaves the rest of its share to the others
_WORD, _NUMBER = ir.IntType(64), ir.IntType(32)
_BYTES = ir.IntType(8).as_pointer()


@intrinsic
def on_all(typingctx, body, arguments, blocks, parallel, threads):
    """Run body(*arguments, first, last) for all of the blocks 0..blocks: a part at a time on so many threads, which the
    function at the address `parallel` has (as GOMP_parallel does); or all at once on this one, if that is 0."""
    if not isinstance(body, types.Dispatcher) or not isinstance(arguments, types.BaseTuple):
        return None
    taken = (*(types.unliteral(each) for each in arguments), types.int64, types.int64)
    typingctx.resolve_function_type(body, taken, {})
    made = body.dispatcher.overloads[taken]

    def build(context, builder, signature, values):
        given = [
            context.cast(builder, builder.extract_value(values[1], i), kind, taken[i])
            for i, kind in enumerate(arguments)
        ]
        number = [context.cast(builder, values[i], signature.args[i], types.int64) for i in range(2, 5)]
        blocks, parallel, threads = number
        # The memory of a call: the next block, the block to end before, how many are taken at a time, the arguments.
        kind = ir.LiteralStructType([_WORD, _WORD, _WORD, *(each.type for each in given)])
        data = cgutils.alloca_once(builder, kind)
        region = _region(context, builder, made, kind)
        shared = builder.icmp_signed("!=", parallel, _WORD(0))
        part = builder.sdiv(blocks, builder.mul(threads, _WORD(PARTS)))
        part = builder.select(builder.icmp_signed(">", part, _WORD(1)), part, _WORD(1))
        step = builder.select(shared, part, blocks)
        for place, each in enumerate((_WORD(0), blocks, step, *given)):
            builder.store(each, cgutils.gep_inbounds(builder, data, 0, place))
        address = builder.bitcast(data, _BYTES)
        with builder.if_else(shared) as (on_many, alone):
            with on_many:
                function = ir.FunctionType(ir.VoidType(), [region.type, _BYTES, _NUMBER, _NUMBER])
                team = builder.inttoptr(parallel, function.as_pointer())
                builder.call(team, [region, address, builder.trunc(threads, _NUMBER), _NUMBER(0)])
            with alone:
                builder.call(region, [address])
        return context.get_dummy_value()

    return types.void(body, arguments, blocks, parallel, threads), build


def _region(context, builder, made, kind):
    """The function that threads call with the address of the memory of a call, of a kind."""
    function = ir.Function(
        builder.module, ir.FunctionType(ir.VoidType(), [_BYTES]), name=f"{builder.function.name}.region"
    )
    function.linkage = "internal"
    inside = ir.IRBuilder(function.append_basic_block("entry"))
    data = inside.bitcast(function.args[0], kind.as_pointer())
    end, step, *given = (
        inside.load(cgutils.gep_inbounds(inside, data, 0, place)) for place in range(1, len(kind.elements))
    )
    take, run, done = (function.append_basic_block(name) for name in ("take", "run", "done"))
    inside.branch(take)
    inside.position_at_end(take)
    first = inside.atomic_rmw("add", cgutils.gep_inbounds(inside, data, 0, 0), step, "monotonic")
    inside.cbranch(inside.icmp_signed(">=", first, end), done, run)
    inside.position_at_end(run)
    last = inside.add(first, step)
    last = inside.select(inside.icmp_signed("<", last, end), last, end)
    context.add_linking_libs([made.library])
    context.call_conv.call_function(
        inside,
        context.declare_function(builder.module, made.fndesc),
        made.fndesc.restype,
        made.fndesc.argtypes,
        [*given, first, last],
    )
    inside.branch(take)
    inside.position_at_end(done)
    inside.ret_void()
    return function
