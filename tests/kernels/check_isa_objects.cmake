# SPDX-License-Identifier: MIT
# Refuses weak and unique symbols (nm's W, V, u) in the objects of SOURCES, the files that are
# compiled for one instruction set: the linker may keep such a copy for the whole program, which
# then dies on a CPU without the instructions.
foreach(source IN LISTS SOURCES)
  set(object ${OBJECTS})
  list(FILTER object INCLUDE REGEX "/${source}\\.o(bj)?$")
  list(LENGTH object count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "${source}: found ${count} objects, want 1")
  endif()
  execute_process(COMMAND ${NM} --demangle ${object} OUTPUT_VARIABLE symbols
                  COMMAND_ERROR_IS_FATAL ANY)
  if(symbols MATCHES "[0-9a-f]+ [WVu] [^\n]*")
    message(FATAL_ERROR "${source}: found shared symbol '${CMAKE_MATCH_0}', want none: include "
                        "only headers without inline functions, and use anonymous namespaces")
  endif()
endforeach()
