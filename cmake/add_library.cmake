# tenon_add_library: programs that are compiled while a project is built. For the installed package and for the tree alike.
# tenon_add_library(NAME FROM SOURCE [PROGRAMS PROGRAM...])
#
# Builds SOURCE (a C++ program that saves compiled programs with tn::aot::save) and runs it in a folder of its own, which
# is also its only argument. It must write PROGRAM.o and PROGRAM.h there for each PROGRAM (default: NAME). The result is
# an object library: a target that links NAME gets the objects, the folder of the headers, and tenon::runtime; neither
# the compiler nor a C++ library is needed to run it.
function(tenon_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FROM" "PROGRAMS")
  if(NOT arg_FROM OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "usage: tenon_add_library(NAME FROM SOURCE [PROGRAMS PROGRAM...])")
  endif()
  if(NOT arg_PROGRAMS)
    set(arg_PROGRAMS ${name})
  endif()
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/${name}.tenon)
  file(MAKE_DIRECTORY ${folder})
  set(objects ${arg_PROGRAMS})
  set(headers ${arg_PROGRAMS})
  list(TRANSFORM objects REPLACE "(.+)" "${folder}/\\1.o")
  list(TRANSFORM headers REPLACE "(.+)" "${folder}/\\1.h")

  add_executable(${name}_generator ${arg_FROM})
  target_link_libraries(${name}_generator PRIVATE tenon::tenon)
  add_custom_command(OUTPUT ${objects} ${headers} COMMAND ${name}_generator ${folder} WORKING_DIRECTORY ${folder}
                     DEPENDS ${name}_generator COMMENT "Compiling the programs of ${name}" VERBATIM)
  add_custom_target(${name}_programs DEPENDS ${objects} ${headers})

  add_library(${name} OBJECT IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES IMPORTED_OBJECTS "${objects}")
  target_include_directories(${name} INTERFACE ${folder})
  target_link_libraries(${name} INTERFACE tenon::runtime m)
  add_dependencies(${name} ${name}_programs)
endfunction()
