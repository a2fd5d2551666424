// Runs the benchmarks and prints the table of ratios; with JSON output the ratios are counters and there is no table.
// Programs compiled here go to a cache of their own, which is removed at the end: a run starts cold and leaves nothing.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>

#include "tenon/bench/case.h"
#include "tenon/bench/peer_run.h"

int main(int argc, char** argv) {
  bool table = true;
  for (int i = 1; i < argc; ++i)
    if (std::strcmp(argv[i], "--benchmark_format=json") == 0 || std::strcmp(argv[i], "--benchmark_format=csv") == 0)
      table = false;
  // mkdtemp takes a name that ends in six of these and replaces them.
  std::string directory = (std::filesystem::temp_directory_path() / "tenon-bench-").string() + std::string(6, 'X');
  if (mkdtemp(directory.data()) == nullptr) {
    std::perror("bench: no temporary folder");
    return 1;
  }
  setenv("XDG_CACHE_HOME", directory.c_str(), 1);

  const auto clean = [&] {
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
  };
  for (int i = 1; i < argc; ++i)
    if (std::strcmp(argv[i], "--peers") == 0) {
      const int status = tenon::bench::peers_main(argc, argv, directory);
      clean();
      return status;
    }

  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  tenon::bench::add_ceilings();
  tenon::bench::add_elementwise();
  tenon::bench::add_rows();
  tenon::bench::add_contractions();
  tenon::bench::add_windows();
  tenon::bench::add_scan();
  tenon::bench::add_order();
  tenon::bench::add_linalg();
  tenon::bench::add_lanes();
  tenon::bench::add_loops();
  tenon::bench::add_adbench();
  tenon::bench::add_latencies();
  tenon::bench::add_free_extents();
  tenon::bench::add_fft();
  tenon::bench::add_gpu();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  if (table) tenon::bench::print_table();
  clean();
  return 0;
}
