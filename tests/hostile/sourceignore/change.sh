# A file that hides the overlays from Flux, which then prunes them.
echo '/environments/' > .sourceignore
