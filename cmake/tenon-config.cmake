# find_package(tenon CONFIG): the targets tenon::tenon and tenon::runtime, and tenon_add_library for shipping programs.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
include(${CMAKE_CURRENT_LIST_DIR}/tenon-targets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/add_library.cmake)
