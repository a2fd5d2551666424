# Programs of the tree: examples, benchmarks where their framework is found, and the exhaustive check of the math functions when
# it is asked for by name. libpng is for the examples that write pictures, which the library itself does without.
if(TENON_BUILD_EXAMPLES OR TENON_BUILD_TESTS)
  foreach(part data gpt minilm smollm text)  # what examples/*.cc share with each other and with the tests
    file(GLOB of_part CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/${part}/*.cc)
    list(APPEND example_data ${of_part})
  endforeach()
  add_library(tenon_example_data STATIC ${example_data})
  target_link_libraries(tenon_example_data PUBLIC tenon_frontend)
  target_compile_definitions(tenon_example_data PUBLIC TENON_SOURCE_DIR="${PROJECT_SOURCE_DIR}" TENON_BINARY_DIR="${PROJECT_BINARY_DIR}")
  target_compile_definitions(tenon_example_data PRIVATE TENON_SANITIZE="${TENON_SANITIZE}")
  find_package(PNG QUIET)
  if(PNG_FOUND)
    target_link_libraries(tenon_example_data PRIVATE PNG::PNG)
    target_compile_definitions(tenon_example_data PRIVATE TENON_HAS_PNG)
  else()
    message(STATUS "libpng is not installed: examples read and write no PNG files")
  endif()
endif()
# ADBench's programs and the reader of its files, for the benchmarks and the tests.
file(GLOB adbench_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/adbench/*.cc)
add_library(tenon_adbench STATIC EXCLUDE_FROM_ALL ${adbench_sources})
target_link_libraries(tenon_adbench PUBLIC tenon_frontend)
target_compile_definitions(tenon_adbench PRIVATE TENON_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
if(TENON_BUILD_EXAMPLES AND TARGET tenon_example_data)
  file(GLOB examples CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/*.cc)
  foreach(source ${examples})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE tenon_frontend tenon_example_data)
  endforeach()
  add_executable(service_generator examples/service/generate.cc)  # saves what examples/service/service.c serves
  target_link_libraries(service_generator PRIVATE tenon_frontend)
endif()

# The rows beside peers and what measures them need no framework: a test links them too.
file(GLOB peer_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/peer*.cc)
list(APPEND peer_sources ${PROJECT_SOURCE_DIR}/bench/ceilings.cc ${PROJECT_SOURCE_DIR}/bench/block.cc)
add_library(tenon_bench_peers STATIC EXCLUDE_FROM_ALL ${peer_sources})
target_compile_options(tenon_bench_peers PRIVATE -O3 -march=native)  # its hand-written loops get the compiler's best
target_compile_definitions(tenon_bench_peers PRIVATE TENON_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
target_link_libraries(tenon_bench_peers PUBLIC tenon_frontend)

if(TENON_BUILD_BENCHMARKS)
  find_package(benchmark QUIET)
  file(GLOB bench_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.cc)
  list(REMOVE_ITEM bench_sources ${peer_sources})
  if(benchmark_FOUND)
    add_executable(bench ${bench_sources})
    # The hand-written loops that Tenon is compared with get the compiler's best.
    target_compile_options(bench PRIVATE -O3 -march=native)
    target_link_libraries(bench PRIVATE tenon_bench_peers tenon_frontend tenon_adbench benchmark::benchmark)
  endif()
endif()

if(TENON_BUILD_BENCHMARKS)
  file(GLOB dist_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/dist/*.c)
  add_executable(dist_scaling ${dist_sources})  # what collectives cost: predicted, and over simulated delays
  target_link_libraries(dist_scaling PRIVATE tenon_c_runtime m)
endif()

if(TENON_BUILD_BENCHMARKS AND TARGET tenon_mpi)
  add_executable(mpi_all_reduce ${PROJECT_SOURCE_DIR}/bench/mpi/all_reduce.c)  # beside MPI's own
  target_link_libraries(mpi_all_reduce PRIVATE tenon_mpi tenon_c_runtime MPI::MPI_C)
endif()

# What ./dev gpu-report runs. It finds the driver as every user's program does: no path to a simulated one is built in.
if(TENON_BUILD_BENCHMARKS OR TENON_BUILD_TESTS)
  file(GLOB gpu_report_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/gpu_report/*.cc)
  add_executable(gpu_report ${gpu_report_sources})
  target_compile_definitions(gpu_report PRIVATE TENON_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(gpu_report PRIVATE tenon_frontend)
endif()

if(TENON_BUILD_TESTS)
  find_library(MPFR_LIBRARY mpfr)
  if(MPFR_LIBRARY)
    add_executable(math_exhaustive EXCLUDE_FROM_ALL tests/math_exhaustive.cc)
    # The expansions are exact operations, so any optimisation that keeps IEEE arithmetic serves.
    target_compile_options(math_exhaustive PRIVATE -O3 -march=native -fno-math-errno -fno-trapping-math)
    target_link_libraries(math_exhaustive PRIVATE Threads::Threads ${MPFR_LIBRARY})
  endif()
endif()
