# Each tests/NAME_test.cc is an executable and a ctest entry; the other sources in tests/ are what they share.
find_package(GTest QUIET)
find_package(ZLIB QUIET)  # what compressed files are held against
if(NOT GTest_FOUND OR NOT ZLIB_FOUND)
  message(STATUS "GoogleTest or zlib is not installed: the tests are left out")
  return()
endif()

function(tenon_test_settings name)
  target_compile_definitions(${name} PRIVATE TENON_SOURCE_DIR="${PROJECT_SOURCE_DIR}" TENON_BINARY_DIR="${PROJECT_BINARY_DIR}"
                             TENON_SANITIZE="${TENON_SANITIZE}")
  if(MPFR_LIBRARY)
    target_link_libraries(${name} PRIVATE ${MPFR_LIBRARY})
    target_compile_definitions(${name} PRIVATE TENON_HAS_MPFR)
  endif()
endfunction()

file(GLOB test_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*_test.cc)
file(GLOB shared_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*.cc)
list(REMOVE_ITEM shared_sources ${test_sources} ${PROJECT_SOURCE_DIR}/tests/math_exhaustive.cc
     ${PROJECT_SOURCE_DIR}/tests/soak.cc)
if(shared_sources)
  add_library(tenon_testing STATIC ${shared_sources})
  target_link_libraries(tenon_testing PUBLIC tenon_frontend GTest::gtest ZLIB::ZLIB)
  tenon_test_settings(tenon_testing)
  add_executable(soak tests/soak.cc)  # no test: it runs as long as one likes
  target_link_libraries(soak PRIVATE tenon_testing tenon_example_data)
endif()

# A GPU that is none: a driver, found as libcuda.so.1 on LD_LIBRARY_PATH, an NVRTC over the system's C++ compiler, found by
# TENON_NVRTC, and an NCCL over the driver, found by TENON_NCCL. A sanitized one has the compiler of this tree, for all in a process must agree on the sanitizer.
set(simulated_compiler c++)
if(TENON_SANITIZE)
  set(simulated_compiler ${CMAKE_CXX_COMPILER})
endif()
file(GLOB driver_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/cuda/driver/*.cc)
file(GLOB nvrtc_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/cuda/nvrtc/*.cc)
file(GLOB nccl_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/cuda/nccl/*.cc)
add_library(simulated_cuda SHARED ${driver_sources})
set_target_properties(simulated_cuda PROPERTIES OUTPUT_NAME cuda SUFFIX .so.1 LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/simulated_cuda)
target_link_libraries(simulated_cuda PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
add_library(simulated_nvrtc SHARED ${nvrtc_sources})
set_target_properties(simulated_nvrtc PROPERTIES OUTPUT_NAME nvrtc SUFFIX .so.13 LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/simulated_cuda/nvrtc)
target_compile_definitions(simulated_nvrtc PRIVATE SIMULATED_SHIM="${PROJECT_SOURCE_DIR}/tests/cuda/shim" SIMULATED_COMPILER="${simulated_compiler}"
                           SIMULATED_SANITIZE="${TENON_SANITIZE}" SIMULATED_CACHE="${PROJECT_BINARY_DIR}/simulated_cuda/nvrtc/objects")
add_library(simulated_nccl SHARED ${nccl_sources})
set_target_properties(simulated_nccl PROPERTIES OUTPUT_NAME nccl SUFFIX .so.2 LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/simulated_cuda/nccl)
target_link_libraries(simulated_nccl PRIVATE simulated_cuda Threads::Threads)
foreach(library simulated_cuda simulated_nvrtc simulated_nccl)  # symbols of the process, which may hold another of the same names, are not taken
  target_compile_options(${library} PRIVATE -O2 -fvisibility-inlines-hidden)
  target_link_options(${library} PRIVATE -Wl,-Bsymbolic)
endforeach()
if(TENON_SANITIZE STREQUAL "thread")  # knows nothing of stacks that change under it
  set_source_files_properties(tests/cuda/driver/fiber.cc tests/cuda/driver/block.cc tests/cuda/driver/warp.cc tests/cuda/driver/fault.cc
                              PROPERTIES COMPILE_OPTIONS -fno-sanitize=thread)
endif()

# ctest reads this before it runs anything: the kernel caches start empty, so no result comes from an earlier build.
file(WRITE ${PROJECT_BINARY_DIR}/clear_caches.cmake "file(REMOVE_RECURSE ${PROJECT_BINARY_DIR}/cache)\nfile(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/cache)\n")
set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${PROJECT_BINARY_DIR}/clear_caches.cmake)

# The examples of a document, as tests.
set(documents ${PROJECT_SOURCE_DIR}/docs/transforms.md ${PROJECT_SOURCE_DIR}/docs/distributed.md
              ${PROJECT_SOURCE_DIR}/docs/data.md ${PROJECT_SOURCE_DIR}/docs/files.md ${PROJECT_SOURCE_DIR}/docs/models.md ${PROJECT_SOURCE_DIR}/docs/training.md)
set(document_examples ${PROJECT_BINARY_DIR}/generated/document_examples_test.cc)
add_custom_command(OUTPUT ${document_examples}
                   COMMAND awk -f ${PROJECT_SOURCE_DIR}/cmake/document_examples.awk ${documents} > ${document_examples}
                   DEPENDS ${PROJECT_SOURCE_DIR}/cmake/document_examples.awk ${documents} VERBATIM)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/generated)
list(APPEND test_sources ${document_examples})

# Two hundred programs are linked: gold takes a quarter of the time that bfd does.
include(CheckLinkerFlag)
check_linker_flag(CXX -fuse-ld=gold TENON_HAS_GOLD)
# Those that take half a minute and more begin first, so that none of them is left alone at the end.
set(long_tests batch_test cuda_host_test cuda_test fft_test functions_complex_test functions_elementwise_battery_test functions_linalg_test
    functions_order_test headers_test linalg_derivatives_test linalg_test lower_test op_row_test partial_test partition_test)

# Their simulated kernels run once: to optimise them takes longer than to run them.
set(brief_kernels cuda_complex_simulated_test cuda_contract_host_test cuda_fuzz_simulated_test cuda_host_test cuda_ranks_simulated_test
    cuda_ranks_faults_simulated_test)
# The C library keeps what was freed: pages that come from the system and go back are half of an interpreted program's time. Not
# where a test counts memory.
set(kept_memory GLIBC_TUNABLES=glibc.malloc.mmap_threshold=268435456:glibc.malloc.trim_threshold=536870912:glibc.malloc.top_pad=16777216)
set(watches_memory "memory|doors|limit|hostile|plugin|turnover|allocation")

foreach(source ${test_sources})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  if(TENON_HAS_GOLD)
    target_link_options(${name} PRIVATE -fuse-ld=gold)
  endif()
  target_link_libraries(${name} PRIVATE $<TARGET_NAME_IF_EXISTS:tenon_testing> tenon_frontend tenon_example_data GTest::gtest_main)
  tenon_test_settings(${name})
  if(TENON_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL GNU AND EXISTS ${source})
    file(STRINGS ${source} uses_regex REGEX "^#include <regex>")
    if(uses_regex)  # GCC sees <regex> read what it has not written, in vain
      target_compile_options(${name} PRIVATE -Wno-maybe-uninitialized)
    endif()
  endif()
  if(name STREQUAL adbench_test)
    target_link_libraries(${name} PRIVATE tenon_adbench)
  endif()
  if(name STREQUAL peer_rows_test)
    target_link_libraries(${name} PRIVATE tenon_bench_peers)
  endif()
  if(name MATCHES "_simulated_test$")  # what it loads as libcuda.so.1 is the driver that is none
    target_link_options(${name} PRIVATE -Wl,-rpath,${PROJECT_BINARY_DIR}/simulated_cuda)
    add_dependencies(${name} simulated_cuda simulated_nvrtc simulated_nccl)
  endif()
  # The tests over the whole op table take as long as all others together, so they are dealt out to run on several cores.
  set(shards 1)
  if(name STREQUAL ops_test OR name STREQUAL aarch64_ops_test)
    set(shards 4)
  endif()
  set(seconds 900)
  if(TENON_SANITIZE)
    set(seconds 3600)
  endif()
  foreach(shard RANGE 1 ${shards})
    set(entry ${name})
    if(shards GREATER 1)
      set(entry ${name}_${shard}_of_${shards})
    endif()
    math(EXPR index "${shard} - 1")
    set(environment "XDG_CACHE_HOME=${PROJECT_BINARY_DIR}/cache/${entry}" TENON_VERIFY=1 GTEST_TOTAL_SHARDS=${shards} GTEST_SHARD_INDEX=${index})
    if(name IN_LIST brief_kernels)
      list(APPEND environment SIMULATED_CUDA_OPTIMIZE=-O0)
    endif()
    if(NOT name MATCHES "${watches_memory}")
      list(APPEND environment ${kept_memory})
    endif()
    add_test(NAME ${entry} COMMAND ${name})
    # Each test has a kernel cache of its own, so that tests can run at once; the IR is verified after every pass.
    set_tests_properties(${entry} PROPERTIES TIMEOUT ${seconds} ENVIRONMENT "${environment}")
    if(shards GREATER 1 OR name IN_LIST long_tests)
      set_tests_properties(${entry} PROPERTIES COST 100)
    endif()
  endforeach()
endforeach()

if(TARGET service_test)
  add_dependencies(service_test service_generator)
endif()
if(TARGET cuda_host_test)
  add_dependencies(cuda_host_test simulated_cuda simulated_nvrtc)
endif()
if(TARGET gpu_report_cuda_simulated_test)
  add_dependencies(gpu_report_cuda_simulated_test gpu_report)
endif()
if(TARGET doctor)
  add_dependencies(cuda_loading_test doctor simulated_cuda simulated_nccl)
endif()

# Ranks under mpirun. Where it or MPI's headers are missing the test is skipped, and says why.
set(mpi_plugin "")
if(TARGET tenon_mpi)
  set(mpi_plugin $<TARGET_FILE:tenon_mpi>)
endif()
add_executable(mpi_ranks ${PROJECT_SOURCE_DIR}/tests/mpi/ranks.c)
target_link_libraries(mpi_ranks PRIVATE tenon_c_runtime)
add_test(NAME mpi_test COMMAND ${PROJECT_SOURCE_DIR}/tests/mpi/run.sh $<TARGET_FILE:mpi_ranks> "${mpi_plugin}")
set_tests_properties(mpi_test PROPERTIES COST 100 TIMEOUT 900 SKIP_RETURN_CODE 77)
if(TARGET distributed)
  add_test(NAME mpi_train_test COMMAND ${PROJECT_SOURCE_DIR}/tests/mpi/train.sh $<TARGET_FILE:distributed> 30)
  set_tests_properties(mpi_train_test PROPERTIES TIMEOUT 900 SKIP_RETURN_CODE 77 ENVIRONMENT "XDG_CACHE_HOME=${PROJECT_BINARY_DIR}/cache/mpi_train_test")
endif()

# How Tenon is built in: an installed copy and a user's project against it, what the library shows, and what plain CMake makes of
# the tree. Sanitized libraries are not what one ships.
if(TENON_INSTALL AND NOT TENON_SANITIZE)
  set(package ${PROJECT_SOURCE_DIR}/tests/package)
  add_test(NAME package_test COMMAND ${package}/run.sh ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR} ${CMAKE_CXX_COMPILER})
  add_test(NAME exports_test COMMAND ${package}/exports.sh ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR} ${CMAKE_CXX_COMPILER})
  add_test(NAME configure_test COMMAND ${package}/configure.sh ${PROJECT_SOURCE_DIR} ${CMAKE_CXX_COMPILER})
  set_tests_properties(package_test exports_test configure_test PROPERTIES TIMEOUT 900)
  if(TARGET tenon_llvm)  # LLVM in a plug-in: starting without it, and ending while it is loaded
    add_test(NAME start_test COMMAND ${package}/start.sh ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR} ${CMAKE_CXX_COMPILER})
    add_executable(plugin_life_test ${PROJECT_SOURCE_DIR}/tests/life_test.cc)
    target_link_libraries(plugin_life_test PRIVATE tenon GTest::gtest_main ${CMAKE_DL_LIBS})
    tenon_test_settings(plugin_life_test)
    add_test(NAME plugin_life_test COMMAND plugin_life_test --gtest_filter=-*TheLibrary*)
    set_tests_properties(plugin_life_test PROPERTIES TIMEOUT 900 ENVIRONMENT "XDG_CACHE_HOME=${PROJECT_BINARY_DIR}/cache/plugin_life_test")
  endif()
  set_tests_properties(package_test PROPERTIES RUN_SERIAL ON)  # it measures what including the header takes
endif()
