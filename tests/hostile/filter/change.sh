# The same by a filter, through a macro.
printf '[attr]same filter=lfs\nexperiments/** same\n' > .gitattributes
