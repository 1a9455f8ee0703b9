class Call: pass
