# vs_page_source(VARIABLE): a C++ source, made at build time, that holds the built page (web/) as data
# for src/serve/page_files.h. Where npm is there, the page is built first; else a page that lies in
# web/dist already is taken; with neither the table is empty, and `serve` says how to build the page.
function(vs_page_source variable)
  set(web ${PROJECT_SOURCE_DIR}/web)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/page_files_data.cc)
  set(${variable} ${source} PARENT_SCOPE)
  set(embed ${CMAKE_COMMAND} -DDIST=${web}/dist -DOUT=${source} -P ${PROJECT_SOURCE_DIR}/cmake/embed_page.cmake)
  find_program(VS_NPM npm)
  if(NOT VS_NPM OR NOT EXISTS ${web}/package.json)
    message(STATUS "npm or web/ is missing: the page comes from web/dist, if that is there")
    file(GLOB built CONFIGURE_DEPENDS ${web}/dist/* ${web}/dist/assets/*)
    add_custom_command(OUTPUT ${source} COMMAND ${embed} VERBATIM
                       DEPENDS ${built} ${PROJECT_SOURCE_DIR}/cmake/embed_page.cmake)
    return()
  endif()
  file(GLOB_RECURSE page CONFIGURE_DEPENDS ${web}/src/* ${web}/public/*)
  list(FILTER page EXCLUDE REGEX "\\.test\\.tsx?$")
  # Installed once for each lock file: npm leaves its own copy of it in node_modules. One build folder
  # at a time writes there.
  set(installed ${web}/node_modules/.package-lock.json)
  add_custom_command(OUTPUT ${installed} COMMAND ${VS_NPM} ci --no-audit --no-fund
                     WORKING_DIRECTORY ${web} VERBATIM
                     DEPENDS ${web}/package.json ${web}/package-lock.json
                     COMMENT "Installing what the page is built with")
  add_custom_command(OUTPUT ${source}
                     COMMAND ${VS_NPM} run --silent build
                     COMMAND ${embed}
                     WORKING_DIRECTORY ${web} VERBATIM
                     DEPENDS ${page} ${installed} ${web}/index.html ${web}/vite.config.ts ${web}/tsconfig.json
                             ${PROJECT_SOURCE_DIR}/cmake/embed_page.cmake
                     COMMENT "Building the page")
endfunction()
