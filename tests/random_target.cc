// Draws each number of a target from its least sensible value to far beyond what any program here can use.
#include "tenon/tests/random_target.h"

#include "tenon/runtime/device.h"

namespace tenon::testing {

Target random_target(Random& random) {
  Target target = runtime::current_device().target(runtime::current_device());
  const auto draw = [&](auto& number, std::initializer_list<int64_t> values) {
    number = static_cast<std::remove_reference_t<decltype(number)>>(values.begin()[random() % values.size()]);
  };
  Tiles& tiles = target.tiles;
  draw(tiles.map_block, {16, 64, 1008, 4096, 1 << 20});
  draw(tiles.column_block, {16, 48, 64, 256});
  draw(tiles.work_per_chunk, {1, 100, 65536});
  draw(tiles.row_scratch_bytes, {0, 1000, 64 << 10});
  draw(tiles.row_run, {512, 1024, 64 * 512});
  draw(tiles.column_parts, {1, 3, 32, 1000});
  draw(tiles.scan_tensor, {0, 1, 16});
  draw(tiles.scan_carried, {0, 3, 24});
  draw(tiles.nontemporal_bytes, {0, 1000, 16 << 20});
  FusionLimits& fusion = target.fusion;
  draw(fusion.kernel_ops, {1, 10, 50, 300});
  draw(fusion.free, {0, 2, 6, 20});
  draw(fusion.cheap, {0, 4, 12});
  draw(fusion.dear, {1, 8, 100});
  draw(fusion.number, {0, 24, 100});
  draw(fusion.view_depth, {0, 1, 8});
  draw(fusion.reads, {0, 1, 32});
  draw(fusion.beside, {0, 1, 3, 32});
  draw(fusion.parts, {0, 2, 4, 100});
  draw(fusion.few_rows, {1, 8, 1000});
  draw(fusion.long_rows, {1, 600, 65536});
  draw(fusion.few_columns, {1, 256, 100000});
  draw(fusion.long_column, {1, 100, 4096});
  return target;
}

}  // namespace tenon::testing
