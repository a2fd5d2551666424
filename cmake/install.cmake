# Installing and packing: libraries, public headers, the files of find_package and pkg-config; a .deb and a .tar.gz by CPack.
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/tenon)

install(TARGETS tenon tenon_c_runtime EXPORT tenon-targets)
if(TARGET tenon_load AND NOT BUILD_SHARED_LIBS)
  install(TARGETS tenon_load EXPORT tenon-targets)
endif()
foreach(header ${tenon_public_headers})
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${PROJECT_SOURCE_DIR}/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tenon/${folder})
endforeach()
install(FILES ${PROJECT_BINARY_DIR}/forward/tenon/tenon.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tenon)

foreach(plugin tenon_llvm tenon_mpi)  # loaded by name, linked by nobody
  if(TARGET ${plugin})
    install(TARGETS ${plugin} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  endif()
endforeach()

install(EXPORT tenon-targets NAMESPACE tenon:: DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tenon-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/tenon-config.cmake ${PROJECT_BINARY_DIR}/tenon-config-version.cmake
        DESTINATION ${package_folder})
install(FILES ${CMAKE_CURRENT_LIST_DIR}/add_library.cmake DESTINATION ${package_folder})

# pkg-config: the prefix is told from where the file lies, so an installed tree may be moved.
file(RELATIVE_PATH to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" to_prefix "${to_prefix}")
set(private_libraries ${tenon_llvm_libraries} ${tenon_zlib} ${CMAKE_DL_LIBS} pthread stdc++)
list(TRANSFORM private_libraries REPLACE "^([^/]+)$" "-l\\1")
list(JOIN private_libraries " " private_libraries)
if(NOT BUILD_SHARED_LIBS)  # who links an archive links what it needs
  set(static_libraries " ${private_libraries}")
endif()
foreach(name tenon tenon-runtime)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

if(PROJECT_IS_TOP_LEVEL)
  set(CPACK_GENERATOR TGZ DEB)
  set(CPACK_PACKAGE_NAME tenon)
  set(CPACK_PACKAGE_CONTACT "The Tenon project")
  set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "compiles C++ functions over tensors, while a program runs or before")
  set(CPACK_STRIP_FILES ON)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
  include(CPack)
endif()
